import { type Ip, parseCidr, parseIp } from "../lib/ip.ts";
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
    const addresses = networks.flatMap((network) => addressesOn(context, network));
    if (addresses.length === 0) return;
    await context.announce(ifindex, addresses);
    const parent = networks[0]?.parent.name;
    const text = "a parent has moved to another port; its neighbours were told where containers are";
    context.log("info", text, { parent, addresses: addresses.length });
  };
}

/** Of its containers that have a link now, and with any of them the host's own there. */
function addressesOn(context: Context, { owner, spec }: NetworkRecord): Ip[] {
  const endpoints = endpointsOf(context, owner).filter(
    ({ state, bootId }) => state === "provisioned" && bootId === context.bootId,
  );
  if (endpoints.length === 0) return [];
  const ofHost = (spec.hostAccess?.addresses ?? []).flatMap((text) => parseIp(text) ?? []);
  const ofContainers = endpoints.flatMap(({ addresses }) => addresses);
  return [...ofContainers.flatMap((text) => parseCidr(text)?.ip ?? []), ...ofHost];
}
