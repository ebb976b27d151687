import type { Pairs } from "../../engine/pairs.ts";
import { ifnameProblem } from "../../lib/ifname.ts";
import { derivePortMac, parseUnicastMac } from "../../lib/mac.ts";
import { word } from "../../lib/quote.ts";
import type { SwitchWish } from "../../lib/switch-port.ts";
import { loadArgs } from "../args.ts";
import { CNI_CODE, CniError } from "../errors.ts";
import { ownerOf } from "../owner.ts";
import type { Call, Delegate, Plugin } from "../plugin.ts";
import { dnsFrom, type Result } from "../result.ts";
import { addressesFrom, assigned } from "./ipam.ts";
import {
  checkOvs,
  linkStatePatience,
  loadOvs,
  type OvsKeys,
  type ReadText,
  socketOf,
  targetOf,
  vlansOf,
} from "./ovs-keys.ts";
import { checkPair, collectPairs, detachPair, dnsOf, interfaceOf, keyOf, requirePairs } from "./pair.ts";

/** `external_ids:owner` of every row that is made here: no daemon's, which would take it for one that nobody wants. */
const OWNER = "underlay-cni";
/** The same of the reference's plugin. */
const REFERENCE_OWNER = "ovs-cni.network.kubevirt.io";

/** Where OVN has its ports. */
const OVN_BRIDGE = "br-int";

/** The one type that a veth's end is, under both of its names. */
const VETH_TYPES = ["", "system"];

export interface OvsParts {
  readonly delegate: Delegate;
  readonly pairs: (wish: SwitchWish) => Pairs;
  readonly readText: ReadText;
  /** Tells a person. */
  readonly note: (text: string) => void;
}

/** A pair of links whose end on the host is a port of Open vSwitch. Keys of k8snetworkplumbingwg/ovs-cni, and its defaults. */
export function ovs({ delegate, pairs, readText, note }: OvsParts): Plugin {
  const load = (call: Call) => {
    const keys = loadOvs(call.conf, readText);
    checkOvs(keys);
    const args = loadArgs(call.env.args, { MAC: asIs, OvnPort: asIs, K8S_POD_UID: asIs });
    const { MAC: mac = "", OvnPort: ovnPort = "", K8S_POD_UID: podUid = "" } = args;
    const told = { mac, ovnPort: keys.args.cni.ovnPort || ovnPort, podUid };
    return { keys, mac: macOf(keys, told.mac), wish: wishOf(call, keys, told) };
  };
  /** For DEL and GC, which ask nothing of the bridge. */
  const leaving = (call: Call) => pairs(leavingWish(call, targetOf(socketOf(call.conf, readText))));

  return {
    async add(call) {
      const { keys, mac, wish } = load(call);
      const { netns } = call.env;
      const { ipam, mtu, dns, interface_type: type } = keys;
      if (!VETH_TYPES.includes(type))
        note(`interface_type ${word(type)} is not used: the port is one end of a veth pair`);
      const owner = ownerOf(call.name, call.env);
      let given: Result | undefined;
      const addresses = async () => {
        given = await addressesFrom(delegate, ipam.type, call);
        return assigned(given);
      };
      const { host, inside } = await pairs(wish).attach({
        key: keyOf(call, call.env),
        owner,
        netns,
        masquerade: false,
        // A bridge of Open vSwitch has the lowest address of its ports for its own unless it was told one.
        hostMac: derivePortMac("switch port", owner),
        ...(mac !== undefined && { mac }),
        ...(mtu > 0 && { mtu }),
        ...(ipam.type !== "" && { addresses, giveBack: () => delegate.del(ipam.type, call) }),
      });
      return {
        interfaces: [interfaceOf(host), interfaceOf(inside, netns)],
        ips: (given?.ips ?? []).map((each) => ({ ...each, interface: 1 })),
        routes: given?.routes ?? [],
        dns: dnsOf(call, dnsFrom(dns), given?.dns),
      };
    },
    del: async (call) => detachPair(leaving(call), delegate, call),
    async check(call) {
      const { keys, wish } = load(call);
      await checkPair(pairs(wish), delegate, call, { ipamType: keys.ipam.type, mtu: keys.mtu });
    },
    gc: async (call, valid) => collectPairs(leaving(call), delegate, call, valid),
    async status(call) {
      const { keys, wish } = load(call);
      await requirePairs(pairs(wish), delegate, call, { ipamType: keys.ipam.type, masquerade: false });
    },
  };
}

const asIs = (value: string) => value;

interface Told {
  readonly mac: string;
  readonly ovnPort: string;
  readonly podUid: string;
}

function wishOf(call: Call, keys: OvsKeys, { ovnPort, podUid }: Told): SwitchWish {
  const bridge = keys.bridge || (ovnPort === "" ? "" : OVN_BRIDGE);
  if (bridge === "")
    throw wrong("missing bridge: the name of a bridge of Open vSwitch that is there already");
  const nameProblem = ifnameProblem(bridge);
  if (nameProblem !== undefined) throw wrong(`bridge: ${nameProblem}`);
  const leaving = leavingWish(call, targetOf(keys.socket_file));
  return {
    ...leaving,
    bridge,
    vlans: vlansOf(keys),
    ...(keys.ofport_request > 0 && { ofport: keys.ofport_request }),
    portIds: { ...leaving.portIds, ...(podUid !== "" && { contPodUid: podUid }) },
    interfaceIds: ovnPort === "" ? {} : { "iface-id": ovnPort },
    linkStatePatience: linkStatePatience(keys),
  };
}

/** A port is known by the same of its ids as the reference's, so that what lists those finds ours. */
function leavingWish(call: Call, ovsdb: string | undefined): SwitchWish {
  const { name: network, env } = call;
  const { netns: contNetns, ifname: contIface } = env;
  return {
    ...(ovsdb !== undefined && { ovsdb }),
    bridge: "",
    vlans: { mode: "trunk", vlans: [] },
    marks: { owner: OWNER, network },
    portIds: { contNetns, contIface, attachment: ownerOf(network, env) },
    interfaceIds: {},
    othersMarks: contNetns === "" ? [] : [{ owner: REFERENCE_OWNER, contNetns, contIface }],
    linkStatePatience: 0,
  };
}

/** The last that says one: CNI_ARGS, `args.cni`, the runtime. */
function macOf({ args, runtimeConfig }: OvsKeys, told: string) {
  const asked = runtimeConfig.mac || args.cni.mac || told;
  if (asked === "") return undefined;
  const mac = parseUnicastMac(asked);
  if (mac === undefined) throw wrong(`address ${asked}: invalid MAC address`);
  return mac;
}

function wrong(message: string): CniError {
  return new CniError(CNI_CODE.config, message);
}
