import { UnderlayError } from "../lib/errors.ts";
import { type Cidr, contains, formatCidr, parseCidr } from "../lib/ip.ts";
import { listAddresses } from "../netlink/address.ts";
import { getLink, IFF, setLinkRequest } from "../netlink/link.ts";
import type { Sandbox } from "./sandbox.ts";

/** LOOPBACK_IFINDEX of the kernel: in every netns `lo` is the first link. */
const LO = { ifindex: 1 } as const;

const LOOPBACK_NETS = ["127.0.0.0/8", "::1/128"].map(parseCidr).filter((net) => net !== undefined);

type Kernel = Pick<Sandbox, "kernel">;

/**
 * Brings `lo` up, on which the kernel then puts its addresses; answers them. Throws `conflict`, before it does
 * anything, when `lo` has an address that is none of a loopback's.
 */
export async function raiseLoopback({ kernel }: Kernel): Promise<readonly Cidr[]> {
  const strange = (await addressesOfLo(kernel)).find(
    ({ ip }) => !LOOPBACK_NETS.some((net) => contains(net, ip)),
  );
  if (strange) {
    throw new UnderlayError(
      "conflict",
      `loopback interface found with non-loopback address ${formatCidr(strange)}`,
    );
  }
  await change(kernel, true);
  return addressesOfLo(kernel);
}

export async function lowerLoopback({ kernel }: Kernel): Promise<void> {
  await change(kernel, false);
}

/** Throws `conflict` when it is down. */
export async function requireLoopbackUp({ kernel }: Kernel): Promise<void> {
  const lo = await getLink(kernel, LO);
  if (((lo?.header.flags ?? 0) & IFF.IFF_UP) === 0) {
    throw new UnderlayError("conflict", "loopback interface is down");
  }
}

async function addressesOfLo(kernel: Sandbox["kernel"]): Promise<readonly Cidr[]> {
  const all = await listAddresses(kernel, LO.ifindex);
  return all.filter(({ ifindex }) => ifindex === LO.ifindex).map(({ cidr }) => cidr);
}

async function change(kernel: Sandbox["kernel"], up: boolean): Promise<void> {
  const [outcome] = await kernel.settle([setLinkRequest(LO, { up })]);
  if (outcome && !outcome.ok) throw outcome.error;
}
