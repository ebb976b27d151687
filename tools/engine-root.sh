#!/bin/sh
# Makes a Debian root folder with Docker in it, for tests: tools/engine-root.sh SUITE
# On the machine itself docker.io beside a docker-ce would be refused by apt, and would start dockerd.
set -eu
suite=$1

packages=docker.io,containerd,docker-compose,busybox-static,iproute2,iptables,procps
# Since Debian 13 the command line client is a package of its own, which docker.io only recommends.
[ "$suite" = bookworm ] || packages=$packages,docker-cli
exec "$(dirname "$0")/debian-root.sh" "$suite" "$suite" "$packages"
