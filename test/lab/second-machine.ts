import type { Guest } from "./guest.ts";
import { type Services, servicesOf, type Within } from "./services.ts";

/** A machine in a guest: a netns with a NIC, a /run of its own, and folders for a dockerd and a daemon of its own. */
export interface SecondMachine extends Within {
  readonly services: Services;
}

/** On ext4, as an overlay cannot lie on an overlay. */
const DISK = "/var/lib/containerd";

const NAMESPACES = `
  for each in docker underlay; do
    mkdir -p "${DISK}/$0/$each"
    mount --bind "${DISK}/$0/$each" "/var/lib/$each"
  done
  echo $$ >"/tmp/$0.pid"
  mount -t tmpfs -o mode=755 run /run
  echo is there
  exec sleep infinity`;

/**
 * Makes it. `cable`: the name of its cable's other end, in the netns `router`. It is as if apart but for the kernel, its
 * processes and its cgroups, which are the guest's; a boot ends it, and its folders stay.
 */
export async function plugIn(
  guest: Guest,
  name: string,
  address: string,
  cable: string,
): Promise<SecondMachine> {
  // Not `ip netns exec`: that mounts a /sys without cgroups.
  await guest.must(`
    ip netns add ${name}
    ip -n ${name} link set lo up
    ip -n ${name} link add eth0 type veth peer name ${cable} netns router
    ip -n ${name} link set eth0 up
    ip -n ${name} address add ${address} dev eth0
    ip -n ${name} route add default via 192.168.1.1
    ip -n router link set ${cable} up`);
  const holder = await guest.start(
    name,
    `exec nsenter --net=/run/netns/${name} unshare --mount --propagation private bash -euc '${NAMESPACES}' ${name}`,
  );
  await holder.said(/is there/);
  const pid = await guest.must(`cat /tmp/${name}.pid`);
  const within = { name, enter: `nsenter --target=${pid} --mount --net` };
  return { ...within, services: servicesOf(guest, within) };
}
