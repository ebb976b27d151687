import type { AddressSource } from "../../engine/address-source.ts";
import type { HostLocalPools, RangeText } from "../../engine/host-local.ts";
import type { Ip } from "../../lib/ip.ts";
import { list, optional, struct, text } from "../../lib/shape.ts";
import { parseGoCidr, parseGoIp } from "../address.ts";
import { loadArgs } from "../args.ts";
import { loadConf } from "../conf.ts";
import { asStatusError } from "../errors.ts";
import type { Call, Plugin } from "../plugin.ts";
import { type Dns, type ResultRoute, routeFrom, routeShape } from "../result.ts";
import { askedShape, requireRoom, wrong } from "./asked.ts";
import { parseResolvConf } from "./resolv-conf.ts";

/**
 * host-local: addresses from pools, kept in files. Keys and texts are those of containernetworking/plugins v1.9.1. A DEL
 * asks for no more of the configuration than where the files are.
 */

export interface HostLocalParts {
  readonly pools: HostLocalPools;
  /** Undefined when there is no such file. */
  readonly readText: (path: string) => string | undefined;
  /** Asked by a plugin that makes the link: it knows when an earlier attempt died. */
  readonly isDelegated: boolean;
}

const DATA_DIR = "/var/lib/cni/networks";

const rangeKeys = { subnet: text, rangeStart: text, rangeEnd: text, gateway: text };
const rangeSets = list(list(struct(rangeKeys)));
const shape = struct({
  ipam: optional(
    struct({ ...rangeKeys, ranges: rangeSets, routes: list(routeShape), dataDir: text, resolvConf: text }),
  ),
  runtimeConfig: struct({ ipRanges: rangeSets, ips: list(text) }),
  args: askedShape.args,
});
export type HostLocalKeys = ReturnType<typeof shape>;
const placeShape = struct({ ipam: struct({ dataDir: text }) });

export function hostLocal({ pools, readText, isDelegated }: HostLocalParts): Plugin {
  const keeperOf = (call: Call) => {
    const { ipam } = loadConf(call.conf, placeShape);
    return pools.keeper(pathOf(ipam.dataDir, call));
  };
  return {
    async add(call) {
      const conf = load(call);
      const source = open(conf, call, pools);
      const dns = conf.resolvConf === "" ? {} : dnsOf(conf.resolvConf, readText);
      const { containerId, ifname, netns } = call.env;
      const repeated = isDelegated ? "same" : "error";
      const request = { container: containerId, ifname, netns, wanted: conf.wanted, repeated } as const;
      return { interfaces: [], ips: await source.allocate(request), routes: conf.routes, dns };
    },
    del: async (call) => keeperOf(call).release(holderOf(call)),
    async check(call) {
      load(call);
      await keeperOf(call).check(holderOf(call));
    },
    async gc(call, valid) {
      const holders = valid?.map(({ containerId, ifname }) => ({ container: containerId, ifname }));
      await keeperOf(call).collect(holders);
    },
    async status(call) {
      const source = open(load(call), call, pools);
      try {
        await source.status();
      } catch (thrown) {
        throw asStatusError(thrown);
      }
    },
  };
}

interface Loaded {
  readonly dataDir: string;
  readonly resolvConf: string;
  readonly sets: readonly (readonly RangeText[])[];
  readonly routes: readonly ResultRoute[];
  /** Addresses asked for, from all that may ask. */
  readonly wanted: readonly Ip[];
}

function load(call: Call): Loaded {
  const { ipam, runtimeConfig, args } = loadConf(call.conf, shape);
  if (!ipam) throw wrong("IPAM config missing 'ipam' key");
  const { IP } = loadArgs(call.env.args, { IP: addressIn });
  const { ranges, routes, dataDir, resolvConf, ...range } = ipam;
  const old = range.subnet === "" ? [] : [[range]];
  return {
    dataDir,
    resolvConf,
    sets: [...runtimeConfig.ipRanges, ...old, ...ranges],
    routes: routes.flatMap(routeFrom),
    wanted: [...(IP ? [IP] : []), ...[...args.cni.ips, ...runtimeConfig.ips].map(asked)],
  };
}

/** Throws what is wrong with the pools. */
function open({ dataDir, sets }: Loaded, call: Call, pools: HostLocalPools): AddressSource {
  const source = pools.open(pathOf(dataDir, call), sets);
  requireRoom(
    call.version,
    sets.flatMap(([range]) => parseGoCidr(range?.subnet ?? "")?.ip.family ?? []),
  );
  return source;
}

/** The name has no slash in it: the program has seen to that. */
function pathOf(dataDir: string, { name }: Call): string {
  return `${dataDir || DATA_DIR}/${name}`;
}

function holderOf({ env }: Call) {
  return { container: env.containerId, ifname: env.ifname };
}

/** With or without a prefix, which the pool knows better. */
function addressIn(text: string): Ip | undefined {
  return parseGoIp(text) ?? parseGoCidr(text)?.ip;
}

function asked(text: string): Ip {
  const ip = addressIn(text);
  if (!ip) throw wrong(`invalid IP address: ${text}`);
  return ip;
}

function dnsOf(path: string, readText: HostLocalParts["readText"]): Dns {
  const text = readText(path);
  if (text === undefined) throw wrong(`open ${path}: no such file or directory`);
  return parseResolvConf(text);
}
