#!/bin/sh
# Installs Debian packages for commands that are missing: tools/need.sh COMMAND:PACKAGE...
# What is there is never replaced, and no service is started.
set -eu
missing() {
  packages=
  for pair in "$@"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || packages="$packages ${pair#*:}"
  done
  [ -n "$packages" ]
}
missing "$@" || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "underlay: missing packages:$packages (install them, or run as root on Debian)" >&2
  exit 1
fi
# One at a time: tests make their engine roots side by side, and apt fails on its own lock instead of waiting.
exec 9<"$0"
flock 9
missing "$@" || exit 0
export DEBIAN_FRONTEND=noninteractive
install() {
  # shellcheck disable=SC2086 # the list is meant to split
  apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $packages >&2
}
install || { apt-get update >&2 && install; }
