import type { AssignedAddress } from "../lib/attach.ts";
import { type Cidr, type Ip, networkOf } from "../lib/ip.ts";
import { addAddressRequest, IFA_F } from "../netlink/address.ts";
import { setLinkRequest } from "../netlink/link.ts";
import { addRouteRequest, RT_SCOPE } from "../netlink/route.ts";
import { type Configuration, routeRequest, settingsFor, type Target, throwFirst } from "./configure.ts";
import type { Sandbox } from "./sandbox.ts";

/**
 * As `configure`, for a link at whose other end there is nobody but the gateway: even those of its own subnet are
 * reached through it. So the kernel makes no route for the addresses; the gateway is on the link, the subnet behind it.
 */
export async function configurePointToPoint(
  sandbox: Sandbox,
  target: Target,
  wanted: Configuration,
): Promise<void> {
  sandbox.set(settingsFor(target.ifname, wanted));
  const { ifindex } = target;
  const outcomes = await sandbox.kernel.settle([
    ...wanted.addresses.map(({ address }) => addAddressRequest(ifindex, address, flagsOf(address))),
    setLinkRequest({ ifindex }, { up: true }),
    ...wanted.addresses.flatMap((each) => throughGateway(ifindex, each)),
    ...wanted.routes.map((route) => routeRequest(target, route, wanted.addresses)),
  ]);
  throwFirst(outcomes);
}

function flagsOf({ ip }: Cidr): number {
  return IFA_F.IFA_F_NOPREFIXROUTE | (ip.family === 6 ? IFA_F.IFA_F_NODAD : 0);
}

function throughGateway(ifindex: number, { address, gateway }: AssignedAddress) {
  if (!gateway) return [];
  const source = address.ip;
  const subnet = { ip: networkOf(address), prefix: address.prefix };
  return [
    addRouteRequest({ destination: alone(gateway), ifindex, source, scope: RT_SCOPE.RT_SCOPE_LINK }),
    ...(isAlone(address) ? [] : [addRouteRequest({ destination: subnet, ifindex, gateway, source })]),
  ];
}

function alone(ip: Ip): Cidr {
  return { ip, prefix: ip.bytes.length * 8 };
}

function isAlone({ ip, prefix }: Cidr): boolean {
  return prefix === ip.bytes.length * 8;
}
