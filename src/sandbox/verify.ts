import type { Assigned, AssignedRoute } from "../lib/attach.ts";
import { UnderlayError } from "../lib/errors.ts";
import { type Cidr, formatCidr, formatIp, sameIp } from "../lib/ip.ts";
import { listAddresses } from "../netlink/address.ts";
import { getLink } from "../netlink/link.ts";
import { listRoutes, nextHopsOf, type Route } from "../netlink/route.ts";
import type { Sandbox } from "./sandbox.ts";

/** Throws `conflict` with all addresses and routes that a link was given and has no more. Others may have been added. */
export async function verifyConfiguration(
  { kernel }: Sandbox,
  ifname: string,
  { addresses, routes }: Assigned,
): Promise<void> {
  const link = await getLink(kernel, { name: ifname });
  const ifindex = link?.header.index ?? 0;
  const has = (await listAddresses(kernel, ifindex)).filter((each) => each.ifindex === ifindex);
  const known = [...(await listRoutes(kernel, 4)), ...(await listRoutes(kernel, 6))];
  const missing = [
    ...addresses
      .filter(({ address }) => !has.some(({ cidr }) => sameCidr(cidr, address)))
      .map(({ address }) => `address ${formatCidr(address)}`),
    ...routes
      // Tables of other numbers are not listed.
      .filter((route) => route.table === undefined && !known.some((each) => leads(each, route)))
      .map(({ to, via }) => `route to ${formatCidr(to)}${via ? ` via ${formatIp(via)}` : ""}`),
  ];
  if (missing.length === 0) return;
  throw new UnderlayError("conflict", `link ${ifname} of the container lacks ${missing.join(", ")}`, {
    inputs: { link: ifname },
  });
}

function leads(route: Route, { to, via }: AssignedRoute): boolean {
  const { header, attrs } = route;
  const destination = attrs.destination;
  const isThere =
    header.dst_len === to.prefix &&
    (destination === undefined
      ? to.prefix === 0 && familyOf(header.family) === to.ip.family
      : sameIp(destination, to.ip));
  return (
    isThere && (via === undefined || nextHopsOf(route).some(({ gateway }) => gateway && sameIp(gateway, via)))
  );
}

const familyOf = (number: number) => (number === 2 ? 4 : 6);

function sameCidr(a: Cidr, b: Cidr): boolean {
  return a.prefix === b.prefix && sameIp(a.ip, b.ip);
}
