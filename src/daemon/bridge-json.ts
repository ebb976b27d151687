import * as v from "valibot";
import type { BridgeView, PortView } from "../links/ovs/view.ts";

/** The bridge of a network on a switch, as the admin API and `-o json` have it. */
export const BridgeJson = v.object({
  name: v.string(),
  /** `system` or `netdev`. */
  datapath: v.string(),
  /** Underlay made it, and removes it with its last network. */
  ours: v.boolean(),
  ports: v.array(
    v.object({
      name: v.string(),
      /** Owner of the endpoint or of the network that it is for; null: somebody else's, or the bridge's own. */
      owner: v.nullable(v.string()),
      /** `access`, `trunk`, `native-untagged`; null: as tag and trunks say. */
      vlan_mode: v.nullable(v.string()),
      tag: v.nullable(v.number()),
      trunks: v.array(v.number()),
      isolated: v.boolean(),
      /** OpenFlow number; null: ovs-vswitchd has not taken it. */
      ofport: v.nullable(v.number()),
      error: v.nullable(v.string()),
      up: v.nullable(v.boolean()),
      /** Of a tunnel: the other host, and the network's number there. */
      peer: v.nullable(v.string()),
      key: v.nullable(v.string()),
      /** As the switch counts: what it received is what the container sent. 64 bits, as text. */
      rx_bytes: v.string(),
      tx_bytes: v.string(),
    }),
  ),
});
export type BridgeBody = v.InferOutput<typeof BridgeJson>;

export function bridgeBody({ name, datapath, isOurs, ports }: BridgeView): BridgeBody {
  return { name, datapath, ours: isOurs, ports: ports.map(portBody) };
}

function portBody(port: PortView): BridgeBody["ports"][number] {
  const { name, ids, vlanMode, tag, trunks, isolated, ofport, error, linkIsUp, tunnel, counters } = port;
  return {
    name,
    owner: ids?.endpoint ?? ids?.network ?? null,
    vlan_mode: vlanMode ?? null,
    tag: tag ?? null,
    trunks: [...trunks],
    isolated,
    ofport: ofport ?? null,
    error: error ?? null,
    up: linkIsUp ?? null,
    peer: tunnel?.peer ?? null,
    key: tunnel?.key ?? null,
    rx_bytes: `${counters?.rxBytes ?? 0n}`,
    tx_bytes: `${counters?.txBytes ?? 0n}`,
  };
}
