#!/bin/sh
# Installs Debian packages for commands that are missing: tools/need.sh COMMAND:PACKAGE...
# What is there is never replaced, and no service is started.
set -eu
packages=
for pair in "$@"; do
  PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || packages="$packages ${pair#*:}"
done
[ -n "$packages" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "underlay: missing packages:$packages (install them, or run as root on Debian)" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # the list is meant to split
apt-get install -y --no-install-recommends $packages >&2 ||
  { apt-get update >&2 && apt-get install -y --no-install-recommends $packages >&2; }
