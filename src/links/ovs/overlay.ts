import { overlayNamesOf } from "../../lib/ifname.ts";
import { deriveMac } from "../../lib/mac.ts";
import type { SwitchBridges } from "./bridges.ts";
import type { SwitchPorts } from "./ports.ts";
import { patchRows } from "./rows.ts";
import { type PortVlans, UNTAGGED } from "./vlans.ts";

/**
 * A bridge of its own for a network's tunnels, joined to the network's by one port. Every host of such a network is its
 * gateway, with the same address and MAC, so that nothing of the gateway may enter a tunnel: a switch cannot be told
 * which of its frames go where, but it can be told which come in from one port.
 */
export interface SwitchOverlays {
  /** Throws as bridges and ports do; what was made stays. */
  put(wish: OverlayWish): Promise<Overlay>;
  remove(network: string): Promise<void>;
}

export interface OverlayWish {
  readonly network: string;
  /** The network's, which is there. */
  readonly bridge: string;
  readonly vlans: PortVlans;
  readonly isolate: boolean;
  /** Bytes. */
  readonly mtu: number;
}

export interface Overlay {
  readonly bridge: string;
  /** The port by which frames come in from the network's bridge. */
  readonly port: { readonly name: string; readonly ofport: number };
}

export function switchOverlays(bridges: SwitchBridges, ports: SwitchPorts): SwitchOverlays {
  return {
    async put({ network, bridge, vlans, isolate, mtu }) {
      const { bridge: name, there, here } = overlayNamesOf(network);
      const joined = await bridges.find(bridge);
      await bridges.ensure({
        ...{ name, network, mtu, mac: deriveMac("overlay", network) },
        // Only bridges of one kind can be joined.
        datapath: joined?.datapath ?? "system",
        datapathAsked: false,
      });
      await ports.keep(patchRows({ bridge, name: there, peer: here, network, vlans, isolate }));
      const ends = { bridge: name, name: here, peer: there, network, vlans: UNTAGGED, isolate: false };
      const { ofport } = await ports.keep(patchRows(ends));
      return { bridge: name, port: { name: here, ofport } };
    },
    async remove(network) {
      const { bridge, there } = overlayNamesOf(network);
      await ports.remove(there);
      const found = await bridges.find(bridge);
      if (found?.ids?.network === network) await bridges.remove(bridge, []);
    },
  };
}
