import type { Body, FindingBody, NetworkBody } from "../../daemon/api.ts";
import type { EndpointBody } from "../../daemon/endpoint-json.ts";
import type { NetworkRow, NetworkRows } from "../../daemon/network-json.ts";
import { formatAge } from "../../lib/duration.ts";
import { bridgeRows } from "../bridge-text.ts";
import { EXIT } from "../exit.ts";
import { LIST_FORMATS } from "../flags.ts";
import {
  type Format,
  formatOf,
  jsonOf,
  type Listing,
  listText,
  ONE_FORMATS,
  paintOf,
  shortId,
} from "../output.ts";
import { originOf, tunnelState } from "../peer-text.ts";
import { portsText } from "../port-text.ts";
import { type Cell, pairsOf } from "../table.ts";
import type { Call, Verb } from "../verb.ts";
import { findingLines } from "./findings.ts";

export interface ListContext {
  readonly short: (id: string) => string;
  readonly now: number;
}

/** An ipvlan has none of its own. */
export const macOf = (mac: string | null): string => mac ?? "the parent's";

export const ageOf = (createdAt: string, now: number): string => formatAge(now - Date.parse(createdAt));

const NETWORKS: Listing<NetworkRow, ListContext> = {
  schema: "underlay.networks/v1",
  key: "networks",
  name: ({ id }, short) => short(id),
  columns: ({ short, now }) => [
    { head: "NETWORK", cell: ({ id }) => short(id) },
    { head: "KIND", cell: ({ kind }) => kind },
    { head: "PARENT", cell: ({ parent }) => parent },
    { head: "MODE", cell: ({ mode }) => mode },
    { head: "SUBNETS", cell: ({ subnets }) => subnets.map(({ pool }) => pool).join(",") || "-" },
    {
      head: "GATEWAYS",
      wide: true,
      cell: ({ subnets }) => subnets.flatMap(({ gateway }) => gateway ?? []).join(",") || "-",
    },
    { head: "MTU", wide: true, cell: ({ mtu }) => mtu?.toString() ?? "-" },
    { head: "INTERNAL", wide: true, cell: ({ internal }) => (internal ? "yes" : "no") },
    { head: "ENDPOINTS", cell: ({ endpoints }) => endpoints.toString() },
    { head: "STATE", cell: stateOf },
    { head: "AGE", cell: ({ created_at }) => ageOf(created_at, now) },
    { head: "OWNER", wide: true, cell: ({ owner }) => owner },
  ],
  filters: {
    id: ({ id }, value) => id.startsWith(value),
    kind: ({ kind }, value) => kind === value,
    parent: ({ parent }, value) => parent === value,
    mode: ({ mode }, value) => mode === value,
    subnet: ({ subnets }, value) => subnets.some(({ pool }) => pool === value),
    state: (network, value) => stateWord(network) === value,
  },
  sorts: {
    id: ({ id }) => id,
    kind: ({ kind }) => kind,
    parent: ({ parent }) => parent,
    mode: ({ mode }) => mode,
    subnet: ({ subnets }) => subnets.map(({ pool }) => pool).join(","),
    endpoints: ({ endpoints }) => endpoints.toString(),
    state: stateWord,
  },
};

/** `degraded` is what matters most; before that comes what the record says. */
function stateWord({ state, healthy }: NetworkRow): string {
  return healthy === false ? "degraded" : state;
}

function stateOf(network: NetworkRow): Cell {
  const text = stateWord(network);
  return { text, style: text === "active" ? "green" : text === "degraded" ? "red" : "yellow" };
}

/** Formats of which people and scripts see the columns alone. */
const WITHOUT_FINDINGS: readonly Format[] = ["table", "wide", "name"];

async function list(call: Call): Promise<number> {
  const isTable = WITHOUT_FINDINGS.includes(formatOf(call.given, LIST_FORMATS));
  const { answer } = await call.ask<NetworkRows>((source) =>
    isTable ? source.networkRows() : source.networks(),
  );
  call.io.stdout(listText(NETWORKS, answer.networks, { short: shortId(call.given), now: call.now }, call));
  return EXIT.done;
}

async function inspect(call: Call): Promise<number> {
  const { given, env, io, now, args } = call;
  const format = formatOf(given, ONE_FORMATS);
  const paint = paintOf(given, env, io.stdoutIsTty);
  const { answer } = await call.ask((source) => source.network(args[0] ?? ""));
  const text = jsonOf(format, answer);
  io.stdout(
    text ??
      pairsOf(
        [...details(answer.network, answer.endpoints, now), ...peerRows(answer), ...switchRows(answer)],
        paint,
      ) + problems(answer.network.findings),
  );
  return EXIT.done;

  function problems(findings: readonly FindingBody[]): string {
    return findings.length === 0 ? "" : `\n${findingLines(findings, paint, answer.network.id)}`;
  }
}

function details(network: NetworkBody, endpoints: readonly EndpointBody[], now: number): [string, Cell][] {
  return [
    ["network", network.id],
    ["owner", network.owner],
    ["kind", network.kind],
    ["parent", network.parent],
    ["mode", network.mode],
    ["mtu", network.mtu?.toString() ?? "as the parent"],
    ["internal", network.internal ? "yes" : "no"],
    ["ipv6", network.ipv6 ? "yes" : "no"],
    ...network.subnets.map(({ pool, gateway, aux }): [string, Cell] => {
      const kept = Object.entries(aux).map(([name, ip]) => `${name}=${ip}`);
      return ["subnet", [pool, gateway ? `gateway ${gateway}` : "no gateway", ...kept].join(", ")];
    }),
    ...Object.entries(network.options).map(([key, value]): [string, Cell] => ["option", `${key}=${value}`]),
    ...hostAccessOf(network),
    ...(network.tunnel ? [["vni", `${network.tunnel.vni}`] satisfies [string, Cell]] : []),
    ["state", stateOf(network)],
    ["created", `${network.created_at} (${ageOf(network.created_at, now)} ago)`],
    ...endpoints.map(({ id, addresses, mac, state, ports }): [string, Cell] => [
      "endpoint",
      [id.slice(0, 12), addresses.join(",") || "no address", macOf(mac), state, portsText(ports)]
        .filter((word) => word !== "")
        .join("  "),
    ]),
  ];
}

function peerRows({ peers = [] }: Body<"underlay.network/v1">): [string, Cell][] {
  return peers.map((peer) => {
    const { text, style } = tunnelState(peer);
    return ["peer", { text: [peer.address, originOf(peer), peer.port, text].join("  "), style }];
  });
}

function switchRows({ bridge, bridge_error: error }: Body<"underlay.network/v1">): [string, Cell][] {
  if (error !== undefined) return [["bridge", error]];
  return bridge ? bridgeRows(bridge) : [];
}

function hostAccessOf({ host_access: access, subnets }: NetworkBody): [string, Cell][] {
  if (!access) return [];
  const familyOf = (text: string) => (text.includes(":") ? "IPv6" : "IPv4");
  const given = new Set(access.addresses.map(familyOf));
  const families = new Set(subnets.map(({ pool }) => familyOf(pool)));
  const shared = [...families].filter((family) => !given.has(family));
  const addresses = [...shared.map((family) => `the parent's own ${family} address`), ...access.addresses];
  return [["host access", `${access.link}, by ${addresses.join(" and ")}`]];
}

/** `underlay network …`: what containers can be attached to. */
export const networkVerbs: readonly Verb[] = [
  {
    words: "network ls",
    aliases: ["network list"],
    flags: ["output", "quiet", "no-trunc", "noheading", "filter", "sort"],
    help: "list networks",
    more:
      `Filters: ${Object.keys(NETWORKS.filters).join(", ")}; id takes the beginning of one. ` +
      `Sorts: created, oldest first, as if nothing is given; ${Object.keys(NETWORKS.sorts).join(", ")}.`,
    run: list,
  },
  {
    words: "network inspect",
    aliases: ["network show"],
    args: ["NETWORK"],
    flags: ["output"],
    help: "show one network and its endpoints",
    more: "NETWORK is its id, or as much of the beginning as no other network has.",
    run: inspect,
  },
];
