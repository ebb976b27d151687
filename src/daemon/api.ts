import * as v from "valibot";
import type { Finding } from "../conditions/condition.ts";
import type { NetworkView, ReconcileReport, TunnelView } from "../engine/engine.ts";
import { UnderlayError } from "../lib/errors.ts";
import { formatCidr, formatIp } from "../lib/ip.ts";
import { word } from "../lib/quote.ts";
import { BridgeJson } from "./bridge-json.ts";
import { CniCheckJson, CniMigrateJson } from "./cni-json.ts";
import { type EndpointBody, EndpointJson, idOf, portsOf } from "./endpoint-json.ts";
import { MigrateJson } from "./migrate-json.ts";
import { FindingJson, NetworkJson } from "./network-json.ts";
import { PEERS, PeerChangesJson } from "./peer-json.ts";
import { ProbeJson } from "./probe-json.ts";

/**
 * The JSON of the admin API and of `-o json`: the same bodies, each under a versioned schema name. A key is never
 * renamed or given another meaning within a version; new ones may come. Times are RFC 3339 in UTC.
 */

/** Who runs, as it says itself. */
const DaemonJson = v.object({
  version: v.string(),
  pid: v.number(),
  started_at: v.string(),
  state_dir: v.string(),
  drivers: v.array(v.string()),
});

export const SCHEMAS = {
  "underlay.status/v1": v.object({
    schema: v.literal("underlay.status/v1"),
    /** Null when none runs; then the rest is what the records say. */
    daemon: v.nullable(DaemonJson),
    networks: v.object({ total: v.number(), degraded: v.nullable(v.number()) }),
    endpoints: v.object({
      total: v.number(),
      provisioned: v.number(),
      /** Ports of the host that lead to them, each once however many addresses it is on. */
      ports: v.optional(v.number(), 0),
    }),
    parents: v.array(v.object({ name: v.string(), networks: v.number(), endpoints: v.number() })),
    /** What is wrong with the host itself, and how much of it; null when nobody has looked. */
    host: v.optional(
      v.nullable(
        v.object({ fail: v.number(), warn: v.number(), findings: v.optional(v.array(FindingJson), []) }),
      ),
      null,
    ),
    findings: v.array(FindingJson),
  }),
  "underlay.networks/v1": v.object({
    schema: v.literal("underlay.networks/v1"),
    networks: v.array(NetworkJson),
  }),
  "underlay.network/v1": v.object({
    schema: v.literal("underlay.network/v1"),
    network: NetworkJson,
    endpoints: v.array(EndpointJson),
    /** Of a network on a switch: its bridge, null when there is none; absent when nobody could be asked. */
    bridge: v.optional(v.nullable(BridgeJson)),
    /** Why nobody could. */
    bridge_error: v.optional(v.string()),
    /** Of a network that spans hosts: the others, with its tunnels to them. */
    peers: v.optional(PEERS.peers),
  }),
  "underlay.peers/v1": v.object({ schema: v.literal("underlay.peers/v1"), ...PEERS }),
  "underlay.peer-changes/v1": PeerChangesJson,
  "underlay.endpoints/v1": v.object({
    schema: v.literal("underlay.endpoints/v1"),
    endpoints: v.array(EndpointJson),
  }),
  "underlay.endpoint/v1": v.object({ schema: v.literal("underlay.endpoint/v1"), endpoint: EndpointJson }),
  "underlay.gc/v1": v.object({
    schema: v.literal("underlay.gc/v1"),
    dry_run: v.boolean(),
    actions: v.array(
      v.object({
        what: v.string(),
        subject: v.string(),
        why: v.string(),
        /** Only when it could not be done: why. */
        failure: v.optional(v.string()),
      }),
    ),
  }),
  "underlay.migrate/v1": MigrateJson,
  "underlay.cni-check/v1": CniCheckJson,
  "underlay.cni-migrate/v1": CniMigrateJson,
  "underlay.doctor/v1": v.object({
    schema: v.literal("underlay.doctor/v1"),
    kernel: v.string(),
    /** Names of the links that were looked at. */
    parents: v.array(v.string()),
    /** Who told of networks: the daemon, its records, or nobody. */
    networks: v.object({ from: v.picklist(["daemon", "records", "nobody"]), total: v.number() }),
    counts: v.object({
      fail: v.number(),
      warn: v.number(),
      info: v.number(),
      ok: v.number(),
      skip: v.number(),
    }),
    checks: v.array(
      v.object({
        id: v.string(),
        title: v.string(),
        status: v.picklist(["fail", "warn", "info", "ok", "skip"]),
        /** Why it was skipped. */
        reason: v.nullable(v.string()),
      }),
    ),
    /** Who was asked with `--active`, by which MAC addresses, and what answered. */
    probes: v.optional(v.array(ProbeJson), []),
    findings: v.array(FindingJson),
  }),
  "underlay.condition/v1": v.object({
    schema: v.literal("underlay.condition/v1"),
    id: v.string(),
    title: v.string(),
    severity: v.picklist(["fail", "warn", "info"]),
    confidence: v.picklist(["certain", "likely", "possible"]),
    refuses: v.boolean(),
    explain: v.string(),
  }),
};

export type SchemaName = keyof typeof SCHEMAS;
export type Body<Name extends SchemaName> = v.InferOutput<(typeof SCHEMAS)[Name]>;
export type NetworkBody = v.InferOutput<typeof NetworkJson>;
export type FindingBody = v.InferOutput<typeof FindingJson>;
export type DaemonBody = v.InferOutput<typeof DaemonJson>;

/** Body of an answer that is no success, and of stderr under `-o json`. */
export const ErrorBody = v.object({
  error: v.object({
    code: v.string(),
    message: v.string(),
    fix: v.optional(v.string()),
    problems: v.optional(v.array(v.object({ subject: v.string(), message: v.string() }))),
  }),
});
export type ErrorBody = v.InferOutput<typeof ErrorBody>;

export function networkBody(view: NetworkView): NetworkBody {
  return { ...networkRow(view), findings: view.findings.map(findingBody) };
}

export function networkRow(view: Omit<NetworkView, "findings">): Omit<NetworkBody, "findings"> {
  const { owner, kind, state, healthy, parent, mode, internal, ipv6, endpoints, hostAccess: access } = view;
  return {
    id: idOf(owner),
    ...{ owner, kind, state, healthy, parent, mode, mtu: view.mtu ?? null, internal, ipv6 },
    subnets: view.subnets.map(({ pool, gateway, aux }) => ({
      pool: formatCidr(pool),
      gateway: gateway ? formatIp(gateway) : null,
      aux: Object.fromEntries(Object.entries(aux).map(([name, ip]) => [name, formatIp(ip)])),
    })),
    options: { ...view.options },
    ...(view.gatewayLink !== undefined && { gateway_link: view.gatewayLink }),
    ...(access && { host_access: { link: access.link, addresses: [...access.addresses] } }),
    ...(view.tunnel && { tunnel: tunnelBody(view.tunnel) }),
    endpoints,
    created_at: view.createdAt,
  };
}

function tunnelBody({ vni, peers }: TunnelView): NonNullable<NetworkBody["tunnel"]> {
  return { vni, peers: peers.map(({ address, from, since }) => ({ address, from, created_at: since })) };
}

export function findingBody(finding: Finding): FindingBody {
  const { id, title, severity, confidence, subject, message } = finding;
  return {
    ...{ id, title, severity, confidence, message },
    subject: { ...subject },
    evidence: finding.evidence.map(({ source, value }) => ({ source, value })),
    fix: finding.fix.map(({ say, run }) => ({ say, ...(run !== undefined && { run }) })),
  };
}

/** One screen of everything. Without a daemon nobody has looked at parents, so nothing is known to be degraded. */
export function statusBody(
  daemon: DaemonBody | null,
  networks: readonly NetworkBody[],
  endpoints: readonly EndpointBody[],
  findings: readonly FindingBody[],
  ofHost?: readonly Finding[],
): Body<"underlay.status/v1"> {
  const parents = [...Map.groupBy(networks, ({ parent }) => parent)].map(([name, here]) => ({
    name,
    networks: here.length,
    endpoints: here.reduce((sum, network) => sum + network.endpoints, 0),
  }));
  const degraded = networks.filter(({ healthy }) => healthy === false).length;
  return {
    schema: "underlay.status/v1",
    daemon,
    networks: { total: networks.length, degraded: daemon && degraded },
    endpoints: {
      total: endpoints.length,
      provisioned: endpoints.filter(({ state }) => state === "provisioned").length,
      ports: endpoints.reduce((sum, endpoint) => sum + portsOf(endpoint).size, 0),
    },
    parents: parents.sort((a, b) => (a.name < b.name ? -1 : 1)),
    host: ofHost === undefined ? null : hostBody(ofHost),
    findings: [...findings],
  };
}

function hostBody(ofHost: readonly Finding[]): NonNullable<Body<"underlay.status/v1">["host"]> {
  return {
    fail: countOf(ofHost, "fail"),
    warn: countOf(ofHost, "warn"),
    findings: ofHost.map(findingBody),
  };
}

function countOf(findings: readonly Finding[], wanted: Finding["severity"]): number {
  return findings.filter(({ severity }) => severity === wanted).length;
}

export function gcBody(report: ReconcileReport): Body<"underlay.gc/v1"> {
  const actions = report.actions.map(({ what, subject, why, failure }) => ({
    ...{ what, subject, why },
    ...(failure !== undefined && { failure }),
  }));
  return { schema: "underlay.gc/v1", dry_run: report.dryRun, actions };
}

/** Of Docker's ids the beginnings are hex digits; other words are names, which Docker does not tell a driver. */
function isId(text: string): boolean {
  return /^[0-9a-f]*$/.test(text) || !/^[\w.-]{1,128}$/.test(text);
}

const NAMES: Readonly<Record<"network" | "endpoint", (name: string) => string>> = {
  network: (name) => `; if it is a name, this tells the id: docker network inspect -f {{.Id}} ${name}`,
  endpoint: (name) =>
    `; if it is a container, this tells its endpoints' ids: ` +
    `docker inspect -f '{{range .NetworkSettings.Networks}}{{println .EndpointID}}{{end}}' ${name}`,
};

/**
 * The one whose id or owner is `text`, or the only one whose id begins with it.
 * Throws `not_found`; `invalid_request` when several begin with it.
 */
export function findById<Item extends { readonly id: string; readonly owner: string }>(
  noun: "network" | "endpoint",
  items: readonly Item[],
  text: string,
): Item {
  const exact = items.find((item) => item.id === text || item.owner === text);
  if (exact) return exact;
  const [first, second] = text === "" ? [] : items.filter((item) => item.id.startsWith(text));
  const inputs = { [noun]: text };
  if (!first) {
    const message = `no ${noun} has the id ${word(text)}${isId(text) ? "" : NAMES[noun](text)}`;
    throw new UnderlayError("not_found", message, { inputs });
  }
  if (second) {
    const message = `several ${noun}s have an id that begins with ${word(text)}; write more of it`;
    throw new UnderlayError("invalid_request", message, { inputs });
  }
  return first;
}
