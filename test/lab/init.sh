#!/bin/bash
# PID 1 of a guest. On top of the machine's file system, which it sees read-only, it puts the root of a Docker age with
# the guest's own disk over it, and then does what comes over the serial line, one line a wish:
#   run ID SECONDS     runs ID.sh of the shared folder to its end; what it prints goes to ID.out and ID.err
#   start ID NAME      starts ID.sh and goes on; what it prints goes to the console, each line after `NAME: `
#   signal ID SIGNAL   signals what was started
#   off                ends what was started, last first, as a service manager would, and powers off
# and answers `lab started ID`, `lab ended ID CODE`.
# `lab=FOLDER` on the kernel's command line is the shared folder; its file `settings` says where the rest is.
# A fork and exec costs tens of milliseconds here.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
folder=$(sed -n 's/.*\<lab=\([^ ]*\).*/\1/p' /proc/cmdline)
# shellcheck source=/dev/null # ROOT and its search path SEARCH, DIST, and KERNEL, a root with a kernel and its modules
. "$folder/settings"

# The kernel has mounted /dev.
mount -t tmpfs -o mode=755 run /run
mkdir /run/disk /run/root
modules=usr/lib/uml/modules/$(uname -r)
chroot "$KERNEL" /sbin/insmod "/$modules/kernel/fs/overlayfs/overlay.ko"
mount -t ext4 /dev/ubda /run/disk
mkdir -p /run/disk/upper /run/disk/work
mount -t overlay -o "lowerdir=$ROOT,upperdir=/run/disk/upper,workdir=/run/disk/work" root /run/root
cd /run/root
mkdir -p old-root lab run tmp opt/underlay "lib/modules/$(uname -r)"
# Where a dockerd and we keep things is on the disk itself: there is no overlay on an overlay.
for each in docker containerd underlay; do
  mkdir -p "/run/disk/$each" "var/lib/$each"
  mount --bind "/run/disk/$each" "var/lib/$each"
done
chmod 700 /run/disk/underlay
mount -t hostfs -o "$folder" lab lab
mount --bind "/$KERNEL/$modules" "lib/modules/$(uname -r)"
mount --bind "$DIST" opt/underlay
mount -t proc proc proc
mount -t sysfs sys sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 run run
mount -t tmpfs tmp tmp
mount --move /dev dev
mkdir -p dev/pts dev/shm
mount -t devpts devpts dev/pts
mount -t tmpfs shm dev/shm
ln -s /proc/self/fd dev/fd
# The kernel loads modules by /sbin/modprobe. A minimal Debian has no such program, nor mount or umount; its busybox does.
for each in modprobe lsmod rmmod mount umount; do
  if [ ! -e "usr/sbin/$each" ] && [ ! -e "usr/bin/$each" ]; then ln -s ../bin/busybox "usr/sbin/$each"; fi
done
# This kernel's nf_tables has no IPv4 and no IPv6 in it (NF_TABLES_IPV4 is not set); ip_tables it has.
for each in iptables ip6tables; do
  if [ -e "usr/sbin/$each-legacy" ]; then ln -sf "/usr/sbin/$each-legacy" "etc/alternatives/$each"; fi
done
pivot_root . old-root
busybox umount -l /old-root
export PATH=$SEARCH
busybox hostname guest

: >/etc/resolv.conf
ip link set lo up
# The NIC and the other end of its cable, which has the same MACs after every boot.
ip netns add router
ip -n router link set lo up
ip link add lan0 address 02:00:5e:00:53:01 type veth peer name lan1 address 02:00:5e:00:53:02 netns router
ip link set lan0 up
ip -n router link set lan1 up

declare -a services=()
exec 3<>/dev/ttyS0
stty raw -echo <&3

run() {
  code=0
  timeout --kill-after=2 "$2" bash -eu "/lab/$1.sh" >"/lab/$1.out" 2>"/lab/$1.err" </dev/null 3>&- || code=$?
  # What a process that goes on still holds open is not on the other side yet.
  sync "/lab/$1.out" "/lab/$1.err"
  echo "lab ended $1 $code" >&3
}
start() {
  code=0
  bash -eu "/lab/$1.sh" > >(exec sed -u "s/^/$2: /" >/dev/console 3>&-) 2>&1 </dev/null 3>&- &
  echo $! >"/run/lab-$1.pid"
  echo "lab started $1" >&3
  wait $! || code=$?
  : >"/run/lab-$1.pid"
  echo "lab ended $1 $code" >&3
}
# Of what was started, as long as it goes on.
send() {
  local pid
  pid=$(<"/run/lab-$1.pid")
  [ -n "$pid" ] && kill -s "$2" "$pid"
}
off() {
  for ((i = ${#services[@]} - 2; i >= 0; i -= 2)); do
    send "${services[i]}" TERM && wait "${services[i + 1]}"
  done
  sync
  echo u >/proc/sysrq-trigger
  exec busybox poweroff -f
}

set +e
echo 'lab ready' >&3
while read -r verb id more <&3; do
  case $verb in
    run) run "$id" "$more" & ;;
    start) start "$id" "$more" & services+=("$id" $!) ;;
    signal) send "$id" "$more" ;;
    off) off ;;
  esac
done
busybox poweroff -f
