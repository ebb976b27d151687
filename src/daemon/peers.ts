import { asUnderlayError, problemsError, UnderlayError } from "../lib/errors.ts";
import { type Peer, readPeer } from "../lib/peer.ts";
import type { TunnelState } from "../links/ovs/view.ts";
import { type Body, findById, networkRow } from "./api.ts";
import { type Call, type DaemonInfo, readBody } from "./call.ts";
import type { NetworkRow } from "./network-json.ts";
import { type PeerBody, PeersRequest, peerBodies, peerChangesBody } from "./peer-json.ts";

/** Routes of the admin API about hosts that networks have tunnels to. */

export async function peers({ engine, info, query }: Call): Promise<Body<"underlay.peers/v1">> {
  const all = engine.networks.rows().map(networkRow);
  const asked = query.get("network");
  const wanted = asked === null ? all : [findById("network", all, asked)];
  return { schema: "underlay.peers/v1", ...(await peersOn(info, wanted)) };
}

/** That the switch does not answer is told beside what the records say. A host without tunnels does not ask it. */
export async function peersOn(
  { tunnels }: Pick<DaemonInfo, "tunnels">,
  networks: readonly Pick<NetworkRow, "id" | "owner" | "tunnel">[],
): Promise<{ peers: PeerBody[]; switch_error?: string }> {
  const bodies = (made?: readonly TunnelState[]) => networks.flatMap((network) => peerBodies(network, made));
  if (bodies().length === 0) return { peers: [] };
  try {
    return { peers: bodies(await tunnels()) };
  } catch (thrown) {
    return { peers: bodies(), switch_error: asUnderlayError(thrown).message };
  }
}

export async function addPeers(call: Call): Promise<Body<"underlay.peer-changes/v1">> {
  const { network, addresses } = await readBody(call.request, PeersRequest);
  return change(call, network, addresses, "add");
}

export function removePeers(call: Call): Promise<Body<"underlay.peer-changes/v1">> {
  const { query } = call;
  return change(call, query.get("network") ?? "", query.getAll("address"), "remove");
}

async function change(
  { engine }: Call,
  network: string,
  addresses: readonly string[],
  verb: "add" | "remove",
): Promise<Body<"underlay.peer-changes/v1">> {
  const read = readPeers(addresses);
  const found = findById("network", engine.networks.rows().map(networkRow), network);
  return peerChangesBody(found, await engine.peers[verb](found.owner, read));
}

/** Throws `invalid_option` with all that are none. */
function readPeers(addresses: readonly string[]): readonly Peer[] {
  if (addresses.length === 0) throw new UnderlayError("invalid_request", "no address of a peer was given");
  const read = addresses.map(readPeer);
  const problems = read.flatMap((reading) =>
    "problem" in reading ? [{ subject: "peers", message: reading.problem }] : [],
  );
  if (problems.length > 0) throw problemsError("invalid_option", problems);
  return read.flatMap((reading) => ("value" in reading ? [reading.value] : []));
}
