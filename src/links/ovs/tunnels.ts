import { UnderlayError } from "../../lib/errors.ts";
import { tunnelNameOf } from "../../lib/ifname.ts";
import type { PortHolder } from "../../lib/switch-facts.ts";
import { select } from "../../ovsdb/operation.ts";
import type { SwitchDatabase, SwitchPorts } from "./ports.ts";
import { idsOf, tunnelRows } from "./rows.ts";
import { withHolder } from "./tunnel-port.ts";
import type { PortVlans } from "./vlans.ts";

/** VXLAN between hosts: one tunnel a network and peer, a full mesh when every host names all others. */
export interface SwitchTunnels {
  /**
   * The network has tunnels to these peers, and to nobody else. Throws `conflict` when another network, or somebody
   * else, has the VNI on this host, and what putting a port does; those that were put stay.
   */
  set(wish: TunnelsWish): Promise<readonly Tunnel[]>;
  /** Removes all of the network. */
  removeAll(network: string): Promise<void>;
  /** Peers that the network has tunnels to. */
  peersOf(network: string): Promise<readonly string[]>;
}

export interface Tunnel {
  readonly name: string;
  readonly peer: string;
  /** Its OpenFlow number. */
  readonly ofport: number;
}

export interface TunnelsWish {
  readonly network: string;
  readonly bridge: string;
  readonly vni: number;
  readonly peers: readonly string[];
  readonly vlans: PortVlans;
}

/** `holder`: who has the UDP port of tunnels. */
export function switchTunnels(
  database: SwitchDatabase,
  ports: SwitchPorts,
  holder: () => Promise<PortHolder | undefined>,
): SwitchTunnels {
  /**
   * A frame out of a tunnel is known by its number alone: Open vSwitch refuses a second such tunnel of the host, and
   * with another peer the frames of both networks would mix.
   */
  async function requireOwnNumber({ network, vni }: TunnelsWish): Promise<void> {
    const [tunnels] = await database.transact([
      select("Interface", [["type", "==", "vxlan"]], ["name", "options", "external_ids"]),
    ]);
    const other = tunnels.find(
      ({ options, external_ids }) =>
        options.get("key") === `${vni}` && idsOf(external_ids)?.network !== network,
    );
    if (!other) return;
    const holder = idsOf(other.external_ids)?.network;
    const whose = holder === undefined ? "which is none of ours" : `of network ${holder}`;
    const message = `VNI ${vni} is taken on this host by tunnel ${other.name}, ${whose}; each network needs its own`;
    throw new UnderlayError("conflict", message, { inputs: { vni } });
  }

  async function ownOf(network: string) {
    return (await ports.list(network)).flatMap(({ name, ids }) =>
      ids.peer === undefined ? [] : [{ name, peer: ids.peer }],
    );
  }

  return {
    async set(wish) {
      const { network, bridge, vni, vlans, peers } = wish;
      await requireOwnNumber(wish);
      const lost = (await ownOf(network)).filter(({ peer }) => !peers.includes(peer));
      for (const { name } of lost) await ports.remove(name);
      // Who took a peer out wants to know that nothing goes there any more.
      if (lost.length > 0) await database.applied([], []);
      const all: Tunnel[] = [];
      for (const peer of peers) {
        const name = tunnelNameOf(network, peer);
        const rows = tunnelRows({ bridge, name, network, vni, peer, vlans });
        const { ofport } = await ports.keep(rows).catch(async (thrown: unknown) => {
          throw await withHolder(thrown, holder);
        });
        all.push({ name, peer, ofport });
      }
      return all;
    },
    async removeAll(network) {
      for (const { name } of await ownOf(network)) await ports.remove(name);
    },
    peersOf: async (network) => (await ownOf(network)).map(({ peer }) => peer),
  };
}
