import type { Body } from "../../daemon/api.ts";
import type { PeerBody } from "../../daemon/peer-json.ts";
import type { PeersChange } from "../client.ts";
import { EXIT } from "../exit.ts";
import { LIST_FORMATS } from "../flags.ts";
import { formatOf, jsonOf, type Listing, listText, ONE_FORMATS, shortId } from "../output.ts";
import { originOf, tunnelState } from "../peer-text.ts";
import { clean } from "../table.ts";
import type { Call, Verb } from "../verb.ts";
import { ageOf, type ListContext } from "./network.ts";

const PEERS: Listing<PeerBody, ListContext> = {
  schema: "underlay.peers/v1",
  key: "peers",
  name: ({ address }) => address,
  columns: ({ short, now }) => [
    { head: "NETWORK", cell: ({ network_id }) => short(network_id) },
    { head: "VNI", cell: ({ vni }) => vni.toString() },
    { head: "ADDRESS", cell: ({ address }) => address },
    { head: "FROM", cell: originOf },
    { head: "PORT", cell: ({ port }) => port },
    { head: "OFPORT", wide: true, cell: ({ ofport }) => ofport?.toString() ?? "-" },
    { head: "TUNNEL", cell: tunnelState },
    { head: "AGE", cell: ({ created_at }) => ageOf(created_at, now) },
    { head: "OWNER", wide: true, cell: ({ owner }) => owner },
  ],
  filters: {
    network: ({ network_id }, value) => network_id.startsWith(value),
    vni: ({ vni }, value) => vni.toString() === value,
    address: ({ address }, value) => address === value,
    from: ({ from }, value) => from === value,
    tunnel: ({ state }, value) => state === value,
  },
  sorts: {
    network: ({ network_id }) => network_id,
    vni: ({ vni }) => vni.toString(),
    address: ({ address }) => address,
    from: ({ from }) => from,
    tunnel: ({ state }) => state,
  },
};

async function list(call: Call): Promise<number> {
  const { answer } = await call.ask((source) => source.peers(call.args[0]));
  const { peers, switch_error: why } = answer;
  call.io.stdout(listText(PEERS, peers, { short: shortId(call.given), now: call.now }, call));
  if (why !== undefined) call.io.stderr(warningText(call, why));
  return EXIT.done;
}

function warningText({ given }: Call, message: string): string {
  const isText = ["table", "wide", "name"].includes(formatOf(given, LIST_FORMATS));
  if (isText) return `underlay: ${clean(message)}\n`;
  return `${JSON.stringify({ warning: { code: "unreachable", message } })}\n`;
}

const change = (verb: PeersChange["verb"]) => async (call: Call) => {
  const format = formatOf(call.given, ONE_FORMATS);
  const [network = "", ...addresses] = call.args;
  const { answer } = await call.ask((source) => source.changePeers({ verb, network, addresses }));
  call.io.stdout(jsonOf(format, answer) ?? answer.changes.map(lineOf).join(""));
  return EXIT.done;
};

type Change = Body<"underlay.peer-changes/v1">["changes"][number];

const WORDS: Readonly<Record<Change["outcome"], string>> = {
  added: "added",
  there: "is there already",
  removed: "removed",
  absent: "is no peer of this network",
};

function lineOf({ address, outcome }: Change): string {
  return `${address} ${WORDS[outcome]}\n`;
}

const WHICH = "NETWORK is its id, or as much of the beginning as no other network has.";

/** `underlay peer …`: other hosts of networks with VXLAN. */
export const peerVerbs: readonly Verb[] = [
  {
    words: "peer ls",
    aliases: ["peer list"],
    args: ["[NETWORK]"],
    flags: ["output", "quiet", "no-trunc", "noheading", "filter", "sort"],
    help: "list hosts that networks have VXLAN tunnels to",
    more:
      `Learnt ones were added; those by option are of -o peers= and stay as the network. A tunnel that is made says nothing of who is at its other end. ${WHICH} ` +
      `Filters: ${Object.keys(PEERS.filters).join(", ")}; network takes the beginning of an id. ` +
      `Sorts: created, oldest first, as if nothing is given; ${Object.keys(PEERS.sorts).join(", ")}.`,
    run: list,
  },
  {
    words: "peer add",
    args: ["NETWORK", "ADDRESS..."],
    flags: ["output"],
    help: "let a network span these hosts too",
    more:
      "Needs a running daemon, and a network on Open vSwitch with a vni. Containers that run stay as they are. Every host " +
      `has to name the others. Hosts are given by address: all of them become peers, or none. ${WHICH}`,
    run: change("add"),
  },
  {
    words: "peer rm",
    aliases: ["peer remove"],
    args: ["NETWORK", "PEER..."],
    flags: ["output"],
    help: "take hosts out of a network",
    more: `Needs a running daemon. PEER is the address of one that was added. ${WHICH}`,
    run: change("rm"),
  },
];
