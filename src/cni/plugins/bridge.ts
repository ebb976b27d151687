import type { Pairs } from "../../engine/pairs.ts";
import { ifnameProblem } from "../../lib/ifname.ts";
import { parseUnicastMac } from "../../lib/mac.ts";
import type { BridgeWish } from "../../lib/pair.ts";
import { flag, integer, optional, struct, text } from "../../lib/shape.ts";
import { loadArgs } from "../args.ts";
import { loadConf } from "../conf.ts";
import { CNI_CODE, CniError } from "../errors.ts";
import { ownerOf } from "../owner.ts";
import type { Call, Delegate, Plugin } from "../plugin.ts";
import { dnsFrom, dnsShape, type Result } from "../result.ts";
import { withGateways } from "./bridge-gateways.ts";
import { checkVlan, collectVlanTrunk, trunkShape } from "./bridge-vlans.ts";
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

const DEFAULT_BRIDGE = "cni0";

const macShape = struct({ mac: text });

const shape = struct({
  bridge: text,
  isGateway: flag,
  isDefaultGateway: flag,
  forceAddress: flag,
  mtu: integer,
  hairpinMode: flag,
  promiscMode: flag,
  vlan: integer,
  vlanTrunk: optional(trunkShape),
  preserveDefaultVlan: flag,
  macspoofchk: flag,
  enabledad: flag,
  disableContainerInterface: flag,
  portIsolation: flag,
  ipam: ipamShape,
  dns: dnsShape,
  args: struct({ cni: macShape }),
  runtimeConfig: macShape,
  ...MASQ_KEYS,
});

export type BridgeKeys = ReturnType<typeof shape>;

/** A pair of links whose end on the host is a port of a bridge. Keys of the reference's plugin, its defaults and texts. */
export function bridge(delegate: Delegate, pairs: (wish: BridgeWish) => Pairs): Plugin {
  return {
    async add(call) {
      const { keys, wish, gateways, masquerade } = load(call);
      const { netns } = call.env;
      const { ipam, mtu, dns, disableContainerInterface: keepDown = false } = keys;
      let given: Result | undefined;
      const addresses = async () => {
        given = withGateways(await addressesFrom(delegate, ipam.type, call), gateways);
        return assigned(given);
      };
      const made = await pairs(wish).attach({
        key: keyOf(call, call.env),
        owner: ownerOf(call.name, call.env),
        netns,
        masquerade,
        keepDown,
        ...macOf(keys, call),
        ...(mtu > 0 && { mtu }),
        detectDuplicates: keys.enabledad === true,
        ...(ipam.type !== "" && { addresses, giveBack: () => delegate.del(ipam.type, call) }),
      });
      const { master, host, inside, others } = made;
      const ofHost = [...(master ? [master] : []), host].map((end) => interfaceOf(end));
      return {
        interfaces: [...ofHost, interfaceOf(inside, netns), ...others.map((end) => interfaceOf(end))],
        ips: given?.ips ?? [],
        routes: given?.routes ?? [],
        dns: dnsOf(call, dnsFrom(dns), given?.dns),
      };
    },
    del: async (call) => detachPair(pairs(leavingWish(call)), delegate, call),
    async check(call) {
      const { keys, wish } = load(call);
      await checkPair(pairs(wish), delegate, call, { ipamType: keys.ipam.type, mtu: keys.mtu });
    },
    gc: async (call, valid) => collectPairs(pairs(leavingWish(call)), delegate, call, valid),
    async status(call) {
      const { keys, wish, masquerade } = load(call);
      await requirePairs(pairs(wish), delegate, call, { ipamType: keys.ipam.type, masquerade });
    },
  };
}

const leavingShape = struct({ macspoofchk: flag });

/** For DEL and GC, which ask nothing of the bridge, however wrong the rest of the configuration has become. */
function leavingWish({ conf }: Call): BridgeWish {
  return {
    name: DEFAULT_BRIDGE,
    promisc: false,
    hairpin: false,
    isolated: false,
    isGateway: false,
    forceAddress: false,
    checkMac: loadConf(conf, leavingShape).macspoofchk === true,
  };
}

function load({ conf }: Call) {
  const keys = loadConf(conf, shape);
  const { vlan, vlanTrunk, mtu } = keys;
  checkVlan(vlan);
  const tagged = collectVlanTrunk(vlanTrunk ?? []);
  const [hairpin, promisc] = [keys.hairpinMode === true, keys.promiscMode === true];
  if (keys.ipam.type !== "" && keys.disableContainerInterface === true)
    throw wrong("cannot use IPAM when DisableContainerInterface flag is set");
  if (hairpin && promisc) throw wrong("cannot set hairpin mode and promiscuous mode at the same time");
  checkMtu(mtu);
  const nameProblem = keys.bridge === "" ? undefined : ifnameProblem(keys.bridge);
  if (nameProblem !== undefined) throw wrong(`bridge: ${nameProblem}`);
  const gateways = {
    isGateway: keys.isGateway === true || keys.isDefaultGateway === true,
    isDefaultGateway: keys.isDefaultGateway === true,
  };
  const vlans = {
    tagged,
    keepDefault: keys.preserveDefaultVlan === true,
    ...(vlan > 0 && { untagged: vlan }),
  };
  const wish: BridgeWish = {
    name: keys.bridge || DEFAULT_BRIDGE,
    ...(mtu > 0 && { mtu }),
    promisc,
    hairpin,
    isolated: keys.portIsolation === true,
    ...((vlan > 0 || vlanTrunk !== undefined) && { vlans }),
    isGateway: gateways.isGateway,
    forceAddress: keys.forceAddress === true,
    checkMac: keys.macspoofchk === true,
  };
  return { keys, wish, gateways, masquerade: masqueradeOf(keys) };
}

/** The last that says one: CNI_ARGS, `args.cni`, the runtime. */
function macOf({ args, runtimeConfig }: BridgeKeys, { env }: Call) {
  const { MAC = "" } = loadArgs(env.args, { MAC: (value) => value });
  const asked = runtimeConfig.mac || args.cni.mac || MAC;
  if (asked === "") return {};
  const mac = parseUnicastMac(asked);
  if (mac === undefined) throw wrong(`address ${asked}: invalid MAC address`);
  return { mac };
}

function wrong(message: string): CniError {
  return new CniError(CNI_CODE.config, message);
}
