import type { AssignedAddress } from "../../engine/address-source.ts";
import { type Cidr, contains, formatIp, type Ip, sameIp } from "../../lib/ip.ts";
import { list, optional, struct, text } from "../../lib/shape.ts";
import { ip, parseGoCidr, parseGoIp } from "../address.ts";
import { loadArgs } from "../args.ts";
import { loadConf, requirePrevResult } from "../conf.ts";
import type { Call, Plugin } from "../plugin.ts";
import { dnsFrom, dnsShape, type Result, routeFrom, routeShape } from "../result.ts";
import { askedShape, requireRoom, wrong } from "./asked.ts";

/**
 * static: addresses as they are written. Keys and texts are those of containernetworking/plugins v1.9.1, but that an address
 * of the runtime's keeps the gateway that the configuration has for its subnet.
 */

const shape = struct({
  ipam: optional(
    struct({
      addresses: list(struct({ address: text, gateway: ip })),
      routes: list(routeShape),
      dns: dnsShape,
    }),
  ),
  ...askedShape,
});

export type StaticKeys = ReturnType<typeof shape>;

const ARGS = { IP: (value: string) => value, GATEWAY: (value: string) => value };

export const staticIpam: Plugin = {
  add: async (call) => load(call),
  // Nothing is kept, so nothing is to be given back, whatever the configuration is like.
  del: async () => undefined,
  async check(call) {
    const { ips } = load(call);
    const there = requirePrevResult(call.prevResult).ips;
    const missing = ips.find(({ address }) => !there.some((one) => sameIp(one.address.ip, address.ip)));
    if (missing)
      throw wrong(
        `static: Failed to match addr ${formatIp(missing.address.ip)} on interface ${call.env.ifname}`,
      );
  },
  gc: async () => undefined,
  status: async (call) => void load(call),
};

function load(call: Call): Result {
  const { ipam, runtimeConfig, args } = loadConf(call.conf, shape);
  if (!ipam) throw wrong("IPAM config missing 'ipam' key");
  const env = loadArgs(call.env.args, ARGS);
  const own = ipam.addresses.map(({ address, gateway }) => ({
    address: addressOf("the 'address' field is expected to be in CIDR notation", address),
    ...(gateway && { gateway }),
  }));
  const byEnv = words(env.IP).map((word) => ({
    address: addressOf("the 'ip' field is expected to be in CIDR notation", word),
  }));
  const gateways = words(env.GATEWAY).map(gatewayOf);
  const written = [...own, ...byEnv].map((one) => withGateway(one, gateways));
  const asked = runtimeConfig.ips.length > 0 ? runtimeConfig.ips : args.cni.ips;
  const known = [...gateways, ...own.flatMap(({ gateway }) => gateway ?? [])];
  const replaced = asked.map((word) => ({
    address: addressOf("an entry in the 'ips' field is NOT in CIDR notation", word),
  }));
  const ips = asked.length > 0 ? replaced.map((one) => withGateway(one, known.toReversed())) : written;
  requireRoom(
    call.version,
    ips.map(({ address }) => address.ip.family),
  );
  return { interfaces: [], ips, routes: ipam.routes.flatMap(routeFrom), dns: dnsFrom(ipam.dns) };
}

/** The last of these that the address's subnet has counts, before what it has already. */
function withGateway(one: AssignedAddress, gateways: readonly Ip[]): AssignedAddress {
  const { address } = one;
  const gateway = gateways.findLast((ip) => contains(address, ip) && !sameIp(address.ip, ip));
  return gateway ? { ...one, gateway } : one;
}

function words(text: string | undefined): string[] {
  return text === undefined ? [] : text.split(",").map((word) => word.trim());
}

function addressOf(expected: string, text: string): Cidr {
  const address = parseGoCidr(text);
  if (!address) throw wrong(`${expected}, got: '${text}'`);
  return address;
}

function gatewayOf(text: string): Ip {
  const ip = parseGoIp(text);
  if (!ip) throw wrong(`invalid gateway address: ${text}`);
  return ip;
}
