import { parseCidr } from "../lib/ip.ts";
import { type Context, endpointsOf, networksAt } from "./context.ts";
import type { NetworkRecord } from "./records.ts";

/**
 * Tells the neighbours of a parent that has moved to another port where its containers are now. The kernel tells them of
 * its own addresses, and of those on a macvlan in whichever netns; an ipvlan is not asked to, and nobody would know
 * that its MAC, which is the parent's, has become another or is behind another port.
 */
export function announcerOf(context: Context): (ifindex: number) => Promise<void> {
  const isTold = ({ kind, spec }: NetworkRecord) => {
    const { ownMac, routesOnLink } = context.drivers[kind];
    // A link that routes has no neighbours of its own, and answers no ARP.
    return !ownMac && !routesOnLink(spec);
  };
  return async (ifindex) => {
    const networks = networksAt(context, ifindex).filter(isTold);
    const addresses = networks
      .flatMap(({ owner }) => endpointsOf(context, owner))
      .filter(({ state, bootId }) => state === "provisioned" && bootId === context.bootId)
      .flatMap((endpoint) => endpoint.addresses.flatMap((text) => parseCidr(text)?.ip ?? []));
    if (addresses.length === 0) return;
    await context.announce(ifindex, addresses);
    const parent = networks[0]?.parent.name;
    const text = "a parent has moved to another port; its neighbours were told where containers are";
    context.log("info", text, { parent, addresses: addresses.length });
  };
}
