# Init of a private host: PID 1 of new pid, mount and net namespaces, with LOWER as its read-only root under a tmpfs.
# Arguments: LOWER DIST. It lives as long as its standard input is open, so it dies with the test, however
# that dies, and the kernel takes every process, mount, netns and link inside with it.
set -eu
lower=$1 dist=$2

# Everything that is written is in this tmpfs, which no other mount namespace sees.
mount -t tmpfs -o mode=755 ul-test /run
mkdir /run/upper /run/work /run/root
mount -t overlay -o "lowerdir=$lower,upperdir=/run/upper,workdir=/run/work" ul-test /run/root
cd /run/root
mkdir -p old-root var/lib/docker var/lib/containerd var/lib/containers opt/underlay run tmp
for each in run tmp var/lib/docker var/lib/containerd var/lib/containers; do mount -t tmpfs -o mode=755 ul-test "$each"; done
chmod 1777 tmp
mount --rbind /dev dev
mount -t proc proc proc
# A sysfs of this netns; the cgroup tree is below /sys and has to come along.
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
if [ -d "$dist" ]; then mount --bind -o ro "$dist" opt/underlay; fi
pivot_root . old-root
# A minimal Debian has no umount program; its busybox has one.
umount -l /old-root 2>/dev/null || busybox umount -l /old-root
cd /

PATH=/usr/sbin:/usr/bin:/sbin:/bin
: >/etc/resolv.conf
ip link set lo up
ip netns add router
ip -n router link set lo up
echo ready
# bash reaps adopted orphans while it waits here, which a dockerd that was killed needs.
while read -r _; do :; done
