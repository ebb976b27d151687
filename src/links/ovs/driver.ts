import { overlayNamesOf, switchPortNameOf } from "../../lib/ifname.ts";
import type { Log } from "../../lib/log.ts";
import type { Mac } from "../../lib/mac.ts";
import type { LinkEnd } from "../../lib/pair.ts";
import { settleAll } from "../../lib/settle.ts";
import type { Reach } from "../driver.ts";
import type { Families } from "../on-parent.ts";
import type { FoundBridge } from "./bridge-rows.ts";
import { peersHere } from "./carrier.ts";
import { type OvsEndpointSpec, type ParsedOvsEndpoint, parseOvsEndpoint } from "./endpoint-spec.ts";
import {
  bridgeIsSharedGateway,
  type NetworkParts,
  networkPorts,
  type OvsNetwork,
  type PutPorts,
  SHARED_GATEWAY_MAC,
} from "./network-ports.ts";
import type { SwitchPairs } from "./pair.ts";
import { missingBridge } from "./ports.ts";
import { requireRates } from "./rates.ts";
import { type PortRows, portRows } from "./rows.ts";
import type { PortSecurity } from "./security/port-security.ts";
import { type OvsDefaults, type ParsedOvs, parseOvs } from "./spec.ts";

/** Networks on Open vSwitch: a bridge that several may share, and for each endpoint a port of it. */
export interface OvsDriver {
  parse(options: Readonly<Record<string, string>>, families: Families): ParsedOvs;
  parseEndpoint(options: Readonly<Record<string, string>>): ParsedOvsEndpoint;
  /**
   * The network has its uplink and tunnels on its bridge, which is there. Again: what is missing is made, peers that are
   * no longer named lose their tunnel. When it fails, what it made is gone. Calls for one bridge come one after another.
   */
  prepare(network: OvsNetwork): Promise<Prepared>;
  /** What tunnels to the network's peers would mean; makes nothing. Throws as `prepare` for an MTU. */
  reach(network: OvsNetwork): Promise<Reach>;
  /** Takes off the bridge what the network alone has there; goes on past what fails. */
  dismantle(network: Pick<OvsNetwork, "network" | "bridge">): Promise<void>;
  /** A pair of which one end is a port of the bridge, down in the container's half. Again: made as wanted. */
  create(birth: OvsBirth): Promise<OvsBorn>;
  /** Puts the port of a pair back that somebody else has taken off the bridge; false when there is no pair either. */
  replug(plug: OvsPlug): Promise<boolean>;
  /** Both halves, wherever the container's is; goes on past what fails. "Already gone" is success. */
  remove(owner: string): Promise<void>;
}

export interface Prepared extends PutPorts {
  readonly bridge: FoundBridge;
  /** Bytes, of every link of the network. */
  readonly mtu: number;
}

export interface OvsPlug {
  readonly owner: string;
  readonly on: OvsNetwork;
  readonly endpoint: OvsEndpointSpec;
  /** Of the container's end; absent: the kernel's choice. */
  readonly mac?: Mac;
}

export interface OvsBirth extends OvsPlug {
  /** Bytes; as `prepare` said. */
  readonly mtu: number;
}

export interface OvsBorn {
  readonly container: LinkEnd;
  readonly port: LinkEnd;
  readonly ofport: number;
}

export interface OvsParts extends NetworkParts {
  readonly pairs: SwitchPairs;
  readonly security: Pick<PortSecurity, "secure" | "release" | "forget">;
  readonly defaults: OvsDefaults;
  readonly log: Log;
  /** Deletes a link of ours by name, without its sender waiting for the kernel; absent: `pairs` does. */
  readonly deleteLink?: (name: string) => Promise<boolean>;
}

export function ovsDriver(parts: OvsParts): OvsDriver {
  const { home, pairs, ports, bridges, security, defaults, log, deleteLink } = parts;
  const own = networkPorts(parts);
  /** Owners of secured tunnels, by network. */
  const secured = new Map<string, readonly string[]>();

  /** Before the gateway has its addresses. Again: flows that ovs-vswitchd or we ourselves forgot are put back. */
  async function secureTunnels({ network, gateways = [] }: OvsNetwork, { gateway, guarded }: PutPorts) {
    if (!guarded || gateway?.mac === undefined) return;
    const shared = { mac: gateway.mac, addresses: gateways };
    const tunnels = guarded.ports.map((port) => ({
      ...port,
      owner: `${network} ${port.name}`,
      gateway: shared,
    }));
    await security.secure(guarded.bridge, ...tunnels);
    const owners = tunnels.map(({ owner }) => owner);
    // The number of one that is gone may be another's by now, whose flows these are then.
    const gone = secured.get(network)?.filter((owner) => !owners.includes(owner)) ?? [];
    if (gone.length > 0) await security.release(guarded.bridge, ...gone);
    secured.set(network, owners);
  }

  return {
    parse: (options, families) => parseOvs(options, defaults, families),
    parseEndpoint: parseOvsEndpoint,
    async prepare(on) {
      const mtu = await own.mtu(on);
      const { datapath, rates } = on.spec;
      const bridge = await bridges.use({
        name: on.bridge,
        ...(datapath !== undefined && { datapath }),
        ...(bridgeIsSharedGateway(on.spec) && { sharedMac: SHARED_GATEWAY_MAC }),
      });
      requireRates(rates, bridge);
      await using undo = new AsyncDisposableStack();
      const put = await own.put(on, mtu, undo);
      await secureTunnels(on, put);
      undo.move();
      return { bridge, mtu, ...put };
    },
    reach: async (on) => ({ own: await peersHere(home, on.peers ?? []), mtu: await own.mtu(on) }),
    dismantle: ({ network, bridge }) =>
      settleAll([
        () => own.remove({ network, bridge }),
        () => {
          security.forget(overlayNamesOf(network).bridge);
          secured.delete(network);
        },
      ]),
    async create({ owner, on, endpoint, mac, mtu }) {
      const { bridge, spec } = on;
      const found = await bridges.find(bridge);
      if (!found) throw missingBridge(bridge);
      requireRates({ ...spec.rates, ...endpoint.rates }, found);
      await using undo = new AsyncDisposableStack();
      undo.defer(async () => {
        await pairs.remove(owner);
      });
      const ends = await pairs.make({
        ...{ owner, mtu },
        ...(mac !== undefined && { mac }),
        finishesChecksums: found.datapath === "netdev",
      });
      const { mac: given } = ends.container;
      const plug = { owner, on, endpoint, ...(given !== undefined && { mac: given }) };
      const { ofport } = await ports.put(rowsOf(plug, ends.port.name));
      undo.move();
      log("info", `attached veth ${ends.port.name} to bridge ${bridge}`, { owner, bridge, ofport });
      return { ...ends, ofport };
    },
    async replug(plug) {
      const { owner, on } = plug;
      const port = await pairs.find(owner);
      if (!port) return false;
      await ports.put(rowsOf(plug, port.name));
      const { bridge } = on;
      log("warn", `port ${port.name} was taken off bridge ${bridge} and is put back`, { owner, bridge });
      return true;
    },
    async remove(owner) {
      const name = switchPortNameOf(owner);
      await settleAll([
        async () => {
          if (await ports.remove(name, owner))
            log("info", `deleted OVS port ${name} from its bridge`, { owner });
        },
        async () => {
          await (deleteLink ? deleteLink(name) : pairs.remove(owner));
        },
      ]);
    },
  };
}

function rowsOf({ owner, on, endpoint, mac }: OvsPlug, name: string): PortRows {
  const { network, bridge, spec } = on;
  return portRows({
    ...{ bridge, name },
    ids: { network, endpoint: owner },
    vlans: endpoint.vlans ?? spec.vlans,
    isolate: endpoint.isolate ?? spec.isolate,
    rates: { ...spec.rates, ...endpoint.rates },
    ...(mac !== undefined && { mac }),
  });
}
