import * as v from "valibot";

/** A network as the admin API and `-o json` have it, with all that is wrong with it or without. */

export const FindingJson = v.object({
  id: v.string(),
  title: v.string(),
  severity: v.picklist(["fail", "warn", "info"]),
  confidence: v.picklist(["certain", "likely", "possible"]),
  subject: v.object({ kind: v.string(), name: v.string() }),
  message: v.string(),
  evidence: v.array(v.object({ source: v.string(), value: v.string() })),
  fix: v.array(v.object({ say: v.string(), run: v.optional(v.string()) })),
});

const NETWORK = {
  /** The part of the owner after its protocol: Docker's network id. */
  id: v.string(),
  owner: v.string(),
  kind: v.string(),
  state: v.string(),
  /** Null when no daemon looks at its parent. */
  healthy: v.nullable(v.boolean()),
  parent: v.string(),
  /** Where the host is the gateway: its link that has the gateways' addresses. */
  gateway_link: v.optional(v.string()),
  mode: v.string(),
  /** Null: the parent's. */
  mtu: v.nullable(v.number()),
  internal: v.boolean(),
  ipv6: v.boolean(),
  subnets: v.array(
    v.object({ pool: v.string(), gateway: v.nullable(v.string()), aux: v.record(v.string(), v.string()) }),
  ),
  options: v.record(v.string(), v.string()),
  /** Only with -o host_access=true: the host's own link, and its addresses; without any, it is the parent's own. */
  host_access: v.optional(v.object({ link: v.string(), addresses: v.array(v.string()) })),
  /** Only of a network that spans hosts: its number, and the others. `option`: it was created with them. */
  tunnel: v.optional(
    v.object({
      vni: v.number(),
      peers: v.array(
        v.object({
          address: v.string(),
          from: v.picklist(["option", "learnt"]),
          created_at: v.string(),
        }),
      ),
    }),
  ),
  endpoints: v.number(),
  created_at: v.string(),
};

export const NetworkJson = v.object({ ...NETWORK, findings: v.array(FindingJson) });

/** What a list shows of a network, as a client reads it: of thousands what is not looked at is not checked either. */
const NetworkRowJson = v.object({
  id: NETWORK.id,
  owner: NETWORK.owner,
  kind: NETWORK.kind,
  state: NETWORK.state,
  healthy: NETWORK.healthy,
  parent: NETWORK.parent,
  mode: NETWORK.mode,
  mtu: NETWORK.mtu,
  internal: NETWORK.internal,
  subnets: v.array(v.object({ pool: v.string(), gateway: v.nullable(v.string()) })),
  tunnel: NETWORK.tunnel,
  endpoints: NETWORK.endpoints,
  created_at: NETWORK.created_at,
});

/** `underlay.networks/v1` as `/v1/networks?without=findings` has it. */
export const NetworkRows = v.object({
  schema: v.literal("underlay.networks/v1"),
  networks: v.array(NetworkRowJson),
});
export type NetworkRows = v.InferOutput<typeof NetworkRows>;
export type NetworkRow = v.InferOutput<typeof NetworkRowJson>;
