import { type Address, AF, IFA_F, sameAddressRequest } from "../../../netlink/address.ts";
import type { Request } from "../../../netlink/failure.ts";
import { movedLegs, type Route, sameRouteRequest } from "../../../netlink/route.ts";
import { addressesIn, type Belongings, flagsOf, type LinkName, routesIn } from "./belongings.ts";

/** How belongings come from one link to another: first all is given, then all is taken. Pure. */

/** Linux has room for so much in a label, its final NUL not counted. */
const MOST_OF_A_LABEL = 15;

/** Of an address's flags those that are asked for; the others are the kernel's to tell. */
const ASKED = IFA_F.IFA_F_NOPREFIXROUTE | IFA_F.IFA_F_MCAUTOJOIN;

/**
 * In two sends. After the first, both links have all of it, and the older routes, on the link that it comes from, are
 * still the ones that are used: whoever dies in between has changed nothing that anybody notices.
 */
export interface Carrying {
  /** EEXIST is success: it is there already. */
  readonly give: readonly Request[];
  /** "Gone" is success. Routes first, and addresses from the last to the first: a primary takes its secondaries along. */
  readonly take: readonly Request[];
}

export interface Way {
  readonly from: LinkName;
  readonly to: LinkName;
  /** Index of the link of which the belongings were read. */
  readonly readOf: number;
}

export function carrying(belongings: Belongings, { from, to, readOf }: Way): Carrying {
  const addresses = addressesIn(belongings);
  const routes = routesIn(belongings);
  const routesOn = ({ ifindex }: LinkName) => routes.map((route) => routeOn(route, readOf, ifindex));
  return {
    give: [
      ...addresses.map((address) => sameAddressRequest("new", addressOn(address, to))),
      ...routesOn(to).map((route) => sameRouteRequest("new", route)),
    ],
    take: [
      ...routesOn(from)
        .toReversed()
        .map((route) => sameRouteRequest("delete", route)),
      ...addresses.toReversed().map((address) => sameAddressRequest("delete", bare(address, from.ifindex))),
    ],
  };
}

/** Nobody else has an IPv6 address that was in use until now: to ask again would leave the host without it for a second. */
function addressOn({ header, attrs }: Address, to: LinkName): Address {
  const { label, flags: _, cacheinfo, ...told } = attrs;
  const isIpv6 = header.family === AF.AF_INET6;
  const flags = (flagsOf({ header, attrs }) & ASKED) | (isIpv6 ? IFA_F.IFA_F_NODAD : 0);
  const renamed = labelOn(label, to.name);
  return {
    header: { ...header, index: to.ifindex, flags: flags & 0xff },
    attrs: {
      ...told,
      ...(flags !== 0 && { flags }),
      ...(renamed !== undefined && { label: renamed }),
      ...(cacheinfo !== undefined && { cacheinfo }),
    },
  };
}

/** `eth0:web` → `br0:web`; the plain name is what the kernel gives by itself. */
function labelOn(label: string | undefined, name: string): string | undefined {
  const colon = label?.indexOf(":") ?? -1;
  if (label === undefined || colon === -1) return undefined;
  const renamed = `${name}${label.slice(colon)}`;
  return Buffer.byteLength(renamed) > MOST_OF_A_LABEL ? undefined : renamed;
}

function bare({ header, attrs }: Address, ifindex: number): Address {
  const { local, address } = attrs;
  return {
    header: { ...header, index: ifindex, flags: 0 },
    attrs: { ...(local && { local }), ...(address && { address }) },
  };
}

/** Legs of a multipath route over other links stay. */
function routeOn({ header, attrs }: Route, readOf: number, ifindex: number): Route {
  const { oif, multipath, ...told } = attrs;
  const link = oif === undefined ? {} : { oif: ifindex };
  const legs = multipath && movedLegs(multipath, readOf, ifindex);
  return { header, attrs: { ...told, ...link, ...(legs && { multipath: legs }) } };
}
