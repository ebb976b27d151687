#!/bin/sh
# Makes a Debian root folder with Docker in it, for tests: tools/engine-root.sh SUITE
# Prints the folder. It is kept in $UNDERLAY_TEST_CACHE (/var/cache/underlay-test) for 30 days, written under a
# temporary name and renamed, and made by one process at a time. Nothing is installed on the machine itself but
# mmdebstrap, and no service is started: docker.io beside a docker-ce would be refused by apt and would start dockerd.
set -eu
suite=$1
cache=${UNDERLAY_TEST_CACHE:-/var/cache/underlay-test}
root=$cache/$suite
here=$(dirname "$0")

packages=docker.io,containerd,docker-compose,busybox-static,iproute2,iptables,procps
# Since Debian 13 the command line client is a package of its own, which docker.io only recommends.
[ "$suite" = bookworm ] || packages=$packages,docker-cli

# Not older than 30 days, and with the packages that this script wants today.
fresh() {
  [ -n "$(find "$root/underlay-packages" -mtime -30 2>/dev/null)" ] &&
    [ "$(cat "$root/underlay-packages")" = "$packages" ]
}
if fresh; then echo "$root"; exit 0; fi

mkdir -p "$cache"
exec 9>"$cache/$suite.lock"
flock 9
if fresh; then echo "$root"; exit 0; fi

"$here/need.sh" mmdebstrap:mmdebstrap
# The mirror is the one that this machine's own apt sources name.
mirror=${UNDERLAY_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
  sed -n 's#/*$##; /\/debian$/{p;q}')}
[ -n "$mirror" ] || { echo 'underlay: no Debian mirror in the apt sources; name one in UNDERLAY_DEBIAN_MIRROR' >&2; exit 1; }

build() {
  rm -rf "$root.new"
  mmdebstrap --quiet --variant=apt --include="$packages" \
    --aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$root.new" "deb $mirror $suite main" >&2 || return 1
  chroot "$root.new" dpkg-query -W docker.io containerd >"$root.new/underlay-versions"
  echo "$packages" >"$root.new/underlay-packages"
}
if build; then
  rm -rf "$root.old"
  if [ -e "$root" ]; then mv "$root" "$root.old"; fi
  mv "$root.new" "$root"
  rm -rf "$root.old"
elif [ -e "$root/underlay-versions" ]; then
  echo "underlay: the $suite root could not be renewed; going on with the one of $(date -r "$root/underlay-versions")" >&2
else
  exit 1
fi
sed "s/^/underlay: $suite has /" "$root/underlay-versions" >&2
echo "$root"
