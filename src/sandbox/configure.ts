import type { Assigned, AssignedAddress, AssignedRoute } from "../lib/attach.ts";
import type { Family, Ip } from "../lib/ip.ts";
import { addAddressRequest, IFA_F } from "../netlink/address.ts";
import type { Outcome } from "../netlink/conversation.ts";
import type { Request } from "../netlink/failure.ts";
import { setLinkRequest } from "../netlink/link.ts";
import { NLM_F } from "../netlink/message.ts";
import { addRouteRequest } from "../netlink/route.ts";
import type { Sandbox, Sysctl } from "./sandbox.ts";

export interface Configuration extends Assigned {
  /**
   * Ask whether somebody has the IPv6 addresses already; costs seconds in which they cannot be used. False: nor of that
   * which the kernel gives itself.
   */
  readonly detectDuplicates?: boolean;
  /** False: no IPv6 addresses from what routers say. */
  readonly autoconf?: false;
}

export interface Target {
  readonly ifindex: number;
  readonly ifname: string;
}

/**
 * Settings, addresses, up, routes, in this order and in one send: a link that comes up announces the addresses that it
 * has by then, and routes want it up. Throws what the kernel says against the first that fails.
 */
export async function configure(sandbox: Sandbox, target: Target, wanted: Configuration): Promise<void> {
  sandbox.set(settingsFor(target.ifname, wanted));
  const outcomes = await sandbox.kernel.settle([
    ...wanted.addresses.map((each) => addressRequest(target, each, wanted)),
    setLinkRequest({ ifindex: target.ifindex }, { up: true }),
    ...wanted.routes.map((route) => routeRequest(target, route, wanted.addresses)),
  ]);
  throwFirst(outcomes);
}

export function throwFirst(outcomes: readonly Outcome[]): void {
  const failed = outcomes.find((outcome) => !outcome.ok);
  if (failed && !failed.ok) throw failed.error;
}

/**
 * Announcements are the kernel's when the link comes up, so they are asked for before. IPv6 is switched on for a
 * container that gets an address of it: runtimes switch it off where nobody asked.
 */
export function settingsFor(
  name: string,
  { addresses, autoconf, detectDuplicates }: Configuration,
): readonly Sysctl[] {
  const optional = (setting: string, value: string): Sysctl => ({
    path: `ipv6/conf/${name}/${setting}`,
    value,
    optional: true,
  });
  const quiet: Sysctl[] = [
    ...(autoconf === false ? [optional("autoconf", "0")] : []),
    ...(detectDuplicates === true ? [optional("enhanced_dad", "1"), optional("accept_dad", "1")] : []),
    ...(detectDuplicates === false ? [optional("accept_dad", "0")] : []),
  ];
  const announce: Sysctl[] = [
    { path: `ipv4/conf/${name}/arp_notify`, value: "1", optional: true },
    optional("ndisc_notify", "1"),
  ];
  if (addresses.length === 0) return quiet;
  if (!addresses.some(({ address }) => address.ip.family === 6)) return [...quiet, ...announce];
  return [
    ...quiet,
    needed("lo/disable_ipv6", "0"),
    needed(`${name}/disable_ipv6`, "0"),
    needed(`${name}/keep_addr_on_down`, "1"),
    ...announce,
  ];
}

/** For a container that has an IPv6 address, of all settings below `ipv6/conf`. */
function needed(setting: string, value: string): Sysctl {
  return { path: `ipv6/conf/${setting}`, value, missing: NO_IPV6 };
}

const NO_IPV6 =
  "the container is to have an IPv6 address, and this kernel has no IPv6: ipv6.disable=1 on its command line, or no module ipv6";

function addressRequest(
  { ifindex }: Target,
  { address }: AssignedAddress,
  { detectDuplicates = false }: Configuration,
): Request {
  const isDetected = address.ip.family === 4 || detectDuplicates;
  return addAddressRequest(ifindex, address, isDetected ? 0 : IFA_F.IFA_F_NODAD);
}

/** Without NLM_F_EXCL: several default routes are several ways, which a container may have. */
export function routeRequest(
  { ifindex }: Target,
  { to, via, ...rest }: AssignedRoute,
  addresses: readonly AssignedAddress[],
): Request {
  const gateway = via ?? firstGateway(addresses, to.ip.family);
  const request = addRouteRequest({ destination: to, ifindex, ...(gateway && { gateway }), ...rest });
  return { ...request, flags: NLM_F.NLM_F_CREATE };
}

function firstGateway(addresses: readonly AssignedAddress[], family: Family): Ip | undefined {
  return addresses.find(({ gateway }) => gateway?.family === family)?.gateway;
}
