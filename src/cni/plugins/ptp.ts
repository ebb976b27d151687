import type { Pairs } from "../../engine/pairs.ts";
import { integer, struct } from "../../lib/shape.ts";
import { loadConf } from "../conf.ts";
import { CNI_CODE, CniError } from "../errors.ts";
import { ownerOf } from "../owner.ts";
import type { Call, Delegate, Plugin } from "../plugin.ts";
import { dnsFrom, dnsShape, type Result } from "../result.ts";
import { addressesFrom, assigned, ipamShape } from "./ipam.ts";
import {
  checkMtu,
  checkPair,
  collectPairs,
  detachPair,
  dnsOf,
  interfaceOf,
  keyOf,
  MASQ_KEYS,
  masqueradeOf,
  requirePairs,
} from "./pair.ts";

const shape = struct({ mtu: integer, ipam: ipamShape, dns: dnsShape, ...MASQ_KEYS });

export type PtpKeys = ReturnType<typeof shape>;

/** A pair of links with the host's end as the gateway. Keys of the reference's plugin, its defaults and its texts. */
export function ptp(delegate: Delegate, pairs: () => Pairs): Plugin {
  const load = ({ conf }: Call) => {
    const { mtu, ipam, dns, ...masq } = loadConf(conf, shape);
    if (ipam.type === "") throw new CniError(CNI_CODE.config, "no plugin name provided");
    checkMtu(mtu);
    return {
      mtu,
      ipamType: ipam.type,
      dns: dnsFrom(dns),
      masquerade: masqueradeOf(masq),
    };
  };

  return {
    async add(call) {
      const { mtu, ipamType, dns, masquerade } = load(call);
      const { netns } = call.env;
      let given: Result | undefined;
      const engine = pairs();
      const { host, inside } = await engine.attach({
        key: keyOf(call, call.env),
        owner: ownerOf(call.name, call.env),
        netns,
        masquerade,
        ...(mtu > 0 && { mtu }),
        addresses: async () => {
          given = await addressesFrom(delegate, ipamType, call);
          return assigned(given);
        },
        giveBack: () => delegate.del(ipamType, call),
      });
      return {
        interfaces: [interfaceOf(host), interfaceOf(inside, netns)],
        ips: (given?.ips ?? []).map((each) => ({ ...each, interface: 1 })),
        routes: given?.routes ?? [],
        dns: dnsOf(call, dns, given?.dns),
      };
    },
    del: async (call) => detachPair(pairs(), delegate, call),
    async check(call) {
      await checkPair(pairs(), delegate, call, load(call));
    },
    gc: async (call, valid) => collectPairs(pairs(), delegate, call, valid),
    status: async (call) => requirePairs(pairs(), delegate, call, load(call)),
  };
}
