#!/bin/sh
# Makes a Debian root folder with packages in it, for tests: tools/debian-root.sh NAME SUITE PACKAGE,PACKAGE...
# Prints the folder. It is kept in $UNDERLAY_TEST_CACHE (/var/cache/underlay-test) for 30 days, written under a
# temporary name and renamed, and made by one process at a time. Nothing is installed on the machine itself but
# mmdebstrap, and no service is started.
set -eu
name=$1 suite=$2 packages=$3
cache=${UNDERLAY_TEST_CACHE:-/var/cache/underlay-test}
root=$cache/$name
here=$(dirname "$0")

# Not older than 30 days, and with the packages that are wanted today.
fresh() {
  [ -n "$(find "$root/underlay-packages" -mtime -30 2>/dev/null)" ] &&
    [ "$(cat "$root/underlay-packages")" = "$packages" ]
}
if fresh; then echo "$root"; exit 0; fi

mkdir -p "$cache"
exec 9>"$cache/$name.lock"
flock 9
if fresh; then echo "$root"; exit 0; fi

"$here/need.sh" mmdebstrap:mmdebstrap
# The mirror is the one that this machine's own apt sources name.
mirror=${UNDERLAY_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
  sed -n 's#/*$##; /\/debian$/{p;q}')}
[ -n "$mirror" ] || { echo 'underlay: no Debian mirror in the apt sources; name one in UNDERLAY_DEBIAN_MIRROR' >&2; exit 1; }

# Left out: what nobody reads there, and emulators of CPUs that we do not ship for.
build() {
  rm -rf "$root.new"
  mmdebstrap --quiet --variant=apt --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/bin/qemu-*' --dpkgopt='path-include=/usr/bin/qemu-x86_64' \
    --aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$root.new" "deb $mirror $suite main" >&2 || return 1
  # shellcheck disable=SC2046 # the list is meant to split
  chroot "$root.new" dpkg-query -W $(echo "$packages" | tr , ' ') >"$root.new/underlay-versions"
  echo "$packages" >"$root.new/underlay-packages"
}
if build; then
  rm -rf "$root.old"
  if [ -e "$root" ]; then mv "$root" "$root.old"; fi
  mv "$root.new" "$root"
  rm -rf "$root.old"
elif [ -e "$root/underlay-versions" ]; then
  echo "underlay: the $name root could not be renewed; going on with the one of $(date -r "$root/underlay-versions")" >&2
else
  exit 1
fi
sed "s/^/underlay: $name has /" "$root/underlay-versions" >&2
echo "$root"
