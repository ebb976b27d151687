import * as v from "valibot";
import type { PeerChange } from "../engine/engine.ts";
import { tunnelNameOf } from "../lib/ifname.ts";
import type { TunnelState } from "../links/ovs/view.ts";
import type { NetworkRow } from "./network-json.ts";

/** Hosts that networks have tunnels to, as the admin API and `-o json` have them. */

const PeerJson = v.object({
  network_id: v.string(),
  /** Of the network. */
  owner: v.string(),
  vni: v.number(),
  address: v.string(),
  /** `option`: the network was created with it. */
  from: v.picklist(["option", "learnt"]),
  created_at: v.string(),
  /** Name of the tunnel's port in Open vSwitch. */
  port: v.string(),
  /** `pending`: ovs-vswitchd has not taken it; `failed`: it cannot; `unknown`: the switch could not be asked. */
  state: v.picklist(["made", "pending", "failed", "missing", "unknown"]),
  /** OpenFlow number. */
  ofport: v.nullable(v.number()),
  /** What ovs-vswitchd says against it. */
  error: v.nullable(v.string()),
});
export type PeerBody = v.InferOutput<typeof PeerJson>;

/** Hosts, and why the switch could not be asked about them. */
export const PEERS = { peers: v.array(PeerJson), switch_error: v.optional(v.string()) };

/** `underlay.peer-changes/v1`. */
export const PeerChangesJson = v.object({
  schema: v.literal("underlay.peer-changes/v1"),
  network_id: v.string(),
  owner: v.string(),
  changes: v.array(
    v.object({
      address: v.string(),
      /** `there` and `absent`: there was nothing to do. */
      outcome: v.picklist(["added", "there", "removed", "absent"]),
    }),
  ),
});

/** Both ways alike: all of the addresses or none. */
export const PeersRequest = v.strictObject({ network: v.string(), addresses: v.array(v.string()) });

/** `tunnels`: of all networks; undefined: the switch could not be asked. */
export function peerBodies(
  { id, owner, tunnel }: Pick<NetworkRow, "id" | "owner" | "tunnel">,
  tunnels: readonly TunnelState[] | undefined,
): PeerBody[] {
  return (tunnel?.peers ?? []).map((peer) => {
    const port = tunnelNameOf(owner, peer.address);
    const found = tunnels?.find(({ name }) => name === port);
    return {
      ...{ network_id: id, owner, vni: tunnel?.vni ?? 0, ...peer, port },
      state: tunnels ? stateOf(found) : "unknown",
      ofport: found?.ofport ?? null,
      error: found?.error ?? null,
    };
  });
}

function stateOf(found: TunnelState | undefined): PeerBody["state"] {
  if (found === undefined) return "missing";
  if (found.error !== undefined) return "failed";
  return found.ofport === undefined ? "pending" : "made";
}

export function peerChangesBody(
  { id, owner }: Pick<NetworkRow, "id" | "owner">,
  changes: readonly PeerChange[],
): v.InferOutput<typeof PeerChangesJson> {
  const told = changes.map(({ address, outcome }) => ({ address, outcome }));
  return { schema: "underlay.peer-changes/v1", network_id: id, owner, changes: told };
}
