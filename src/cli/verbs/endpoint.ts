import type { EndpointBody } from "../../daemon/endpoint-json.ts";
import { EXIT } from "../exit.ts";
import { formatOf, jsonOf, type Listing, listText, ONE_FORMATS, paintOf, shortId } from "../output.ts";
import { portsText, portText } from "../port-text.ts";
import { type Cell, pairsOf } from "../table.ts";
import type { Call, Verb } from "../verb.ts";
import { ageOf, type ListContext, macOf } from "./network.ts";

const ENDPOINTS: Listing<EndpointBody, ListContext> = {
  schema: "underlay.endpoints/v1",
  key: "endpoints",
  name: ({ id }, short) => short(id),
  columns: ({ short, now }) => [
    { head: "ENDPOINT", cell: ({ id }) => short(id) },
    { head: "NETWORK", cell: ({ network_id }) => short(network_id) },
    { head: "ADDRESSES", cell: ({ addresses }) => addresses.join(",") || "-" },
    { head: "MAC", cell: ({ mac }) => macOf(mac) },
    { head: "PORTS", wide: true, cell: ({ ports }) => portsText(ports) || "-" },
    { head: "LINK", wide: true, cell: ({ link_name }) => link_name },
    { head: "STATE", cell: stateOf },
    { head: "AGE", cell: ({ created_at }) => ageOf(created_at, now) },
    { head: "OWNER", wide: true, cell: ({ owner }) => owner },
  ],
  filters: {
    id: ({ id }, value) => id.startsWith(value),
    network: ({ network_id }, value) => network_id.startsWith(value),
    address: ({ addresses }, value) =>
      addresses.some((address) => address.split("/")[0] === value.split("/")[0]),
    mac: ({ mac }, value) => mac === value.toLowerCase(),
    link: ({ link_name }, value) => link_name === value,
    state: ({ state }, value) => state === value,
  },
  sorts: {
    id: ({ id }) => id,
    network: ({ network_id }) => network_id,
    address: ({ addresses }) => addresses.join(","),
    mac: ({ mac }) => mac ?? "",
    link: ({ link_name }) => link_name,
    state: ({ state }) => state,
  },
};

function stateOf({ state }: EndpointBody): Cell {
  return { text: state, style: state === "provisioned" ? "green" : "yellow" };
}

async function list(call: Call): Promise<number> {
  const { answer } = await call.ask((source) => source.endpoints());
  call.io.stdout(listText(ENDPOINTS, answer.endpoints, { short: shortId(call.given), now: call.now }, call));
  return EXIT.done;
}

async function inspect(call: Call): Promise<number> {
  const { given, env, io, now, args } = call;
  const format = formatOf(given, ONE_FORMATS);
  const paint = paintOf(given, env, io.stdoutIsTty);
  const { answer } = await call.ask((source) => source.endpoint(args[0] ?? ""));
  const text = jsonOf(format, answer);
  io.stdout(text ?? pairsOf(details(answer.endpoint, now), paint));
  return EXIT.done;
}

function details(endpoint: EndpointBody, now: number): [string, Cell][] {
  return [
    ["endpoint", endpoint.id],
    ["network", endpoint.network_id],
    ["owner", endpoint.owner],
    ...endpoint.addresses.map((address): [string, Cell] => ["address", address]),
    ["mac", macOf(endpoint.mac)],
    ["link", endpoint.link_name],
    ...endpoint.ports.map((port): [string, Cell] => ["port", portText(port)]),
    ["state", stateOf(endpoint)],
    ["created", `${endpoint.created_at} (${ageOf(endpoint.created_at, now)} ago)`],
  ];
}

/** `underlay endpoint …`: the links of containers. */
export const endpointVerbs: readonly Verb[] = [
  {
    words: "endpoint ls",
    aliases: ["endpoint list"],
    flags: ["output", "quiet", "no-trunc", "noheading", "filter", "sort"],
    help: "list endpoints: the links of containers",
    more:
      `Filters: ${Object.keys(ENDPOINTS.filters).join(", ")}; id and network take the beginning of one. ` +
      `Sorts: created, oldest first, as if nothing is given; ${Object.keys(ENDPOINTS.sorts).join(", ")}.`,
    run: list,
  },
  {
    words: "endpoint inspect",
    aliases: ["endpoint show"],
    args: ["ENDPOINT"],
    flags: ["output"],
    help: "show one endpoint",
    more: "ENDPOINT is its id, or as much of the beginning as no other endpoint has.",
    run: inspect,
  },
];
