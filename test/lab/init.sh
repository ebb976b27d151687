#!/bin/bash
# First program of a guest. On top of the machine's file system, which it sees read-only, it puts a Debian root with the
# guest's own disk over it, and becomes `agent.sh` there, or systemd, which starts that.
# `lab=FOLDER` on the kernel's command line is the shared folder; its file `settings` says where the rest is.
# A fork and exec costs 40 ms here.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
folder=$(sed -n 's/.*\<lab=\([^ ]*\).*/\1/p' /proc/cmdline)
# shellcheck source=/dev/null # ROOT, its search path SEARCH, INIT, DIST, and roots with other things: KERNEL and its modules, OVS or nothing, TOOLS or nothing
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
# Another root beside this one, perhaps of another age: its programs see their own libraries, and the guest's files that matter.
bring() {
  mkdir -p "opt/$1"
  mount --bind "/$2" "opt/$1"
  for each in proc sys dev run tmp; do mount --rbind $each "opt/$1/$each"; done
}
if [ -n "$OVS" ]; then
  bring openvswitch "$OVS"
  mkdir -p etc/openvswitch run/openvswitch
  mount --bind etc/openvswitch opt/openvswitch/etc/openvswitch
  programs=(usr/sbin/ovs{-vswitchd,db-server} usr/bin/ovs{-{vs,app,of,dp}ctl,db-tool})
  rm -f "${programs[@]}"
  for each in "${programs[@]}"; do printf '#!/bin/sh\nexec chroot /opt/openvswitch /%s "$@"\n' "$each" >"$each"; done
  chmod +x "${programs[@]}"
fi
if [ -n "$TOOLS" ]; then bring tools "$TOOLS"; fi
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

if [ "$INIT" = systemd ]; then
  units=/etc/systemd/system
  cp /lab/agent.service $units
  mkdir -p $units/multi-user.target.wants /etc/docker
  ln -sf ../agent.service $units/multi-user.target.wants
  # There is no terminal, and nobody who gives addresses.
  ln -sf /dev/null $units/getty.target
  if [ ! -e /etc/docker/daemon.json ]; then
    ln -sf /dev/null $units/NetworkManager.service
    echo '{"bridge": "none", "iptables": false, "ip6tables": false}' >/etc/docker/daemon.json
  fi
  exec /lib/systemd/systemd --show-status=0
fi
exec bash /lab/agent.sh
