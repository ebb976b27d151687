# Boots systemd on a private host: a pid namespace and a cgroup namespace of its own. Arguments: the host's cgroup, as
# `/underlay-test-…`, and the unit to boot. As in a container, nothing of the machine can be written but /proc/sys/net,
# which is the netns's. As at every boot, /run is empty and the boot has an id of its own; all other files are the host's.
set -eu
mkdir -p /run/cgroup2
mount -t cgroup2 cgroup2 /run/cgroup2
mkdir -p "/run/cgroup2$1/init"
echo $$ >"/run/cgroup2$1/init/cgroup.procs"

inner='
mount --make-rshared /
umount -R /sys/fs/cgroup /run/cgroup2
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -o remount,bind,ro /sys
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount --bind /proc/sys/net /proc/sys/net
mount -o remount,bind,rw /proc/sys/net

mount -t tmpfs -o mode=755 run /run
cat /proc/sys/kernel/random/uuid >/run/boot-id
mount --bind /run/boot-id /proc/sys/kernel/random/boot_id

mount -t tmpfs -o mode=755 dev /dev
mknod -m 666 /dev/null c 1 3
mknod -m 666 /dev/zero c 1 5
mknod -m 666 /dev/full c 1 7
mknod -m 666 /dev/random c 1 8
mknod -m 666 /dev/urandom c 1 9
mknod -m 666 /dev/tty c 5 0
mkdir /dev/pts /dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts /dev/pts
ln -s pts/ptmx /dev/ptmx
mount -t tmpfs shm /dev/shm

export container=underlay-test
exec /lib/systemd/systemd --system --unit=$1 --show-status=0
'
exec unshare --cgroup --pid --mount --ipc --uts --fork --kill-child=KILL --mount-proc bash -euc "$inner" boot "$2"
