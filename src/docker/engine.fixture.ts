import type { EndpointView, Engine, NetworkView } from "../engine/engine.ts";
import { UnderlayError } from "../lib/errors.ts";
import { contains, formatCidr } from "../lib/ip.ts";
import { deriveMac } from "../lib/mac.ts";
import type { EndpointRequest, NetworkRequest } from "../lib/request.ts";

/**
 * An engine for tests of the adapter: it keeps what it was asked in two maps, makes no links, and keeps the
 * promises of the Engine type: idempotent, gateways by subnet, a MAC that stays the same for the same address.
 */
export interface FakeEngine extends Engine {
  readonly requests: {
    readonly networks: ReadonlyMap<string, NetworkRequest>;
    readonly endpoints: ReadonlyMap<string, EndpointRequest>;
  };
}

export function fakeEngine(): FakeEngine {
  const networks = new Map<string, NetworkRequest>();
  const endpoints = new Map<string, EndpointRequest>();

  const known = <T>(map: ReadonlyMap<string, T>, what: string, owner: string): T => {
    const found = map.get(owner);
    if (found === undefined) throw new UnderlayError("not_found", `${what} ${owner} is not known`);
    return found;
  };

  return {
    requests: { networks, endpoints },
    networks: {
      async ensure(request) {
        const before = networks.get(request.owner);
        if (before && JSON.stringify(before) !== JSON.stringify(request))
          throw new UnderlayError("conflict", `network ${request.owner} exists and differs`);
        networks.set(request.owner, request);
      },
      async remove(owner) {
        networks.delete(owner);
        for (const [key, endpoint] of endpoints) if (endpoint.network === owner) endpoints.delete(key);
      },
      hostIsGateway: (kind, options) => kind === "ovs" && options["mode"] !== "flat",
      list: () => [...networks.values()].map(networkView),
      rows: () => [...networks.values()].map(networkView),
    },
    peers: { add: async () => [], remove: async () => [] },
    endpoints: {
      optionNames: (kind) => (kind === "ovs" ? ["vlan", "trunks"] : []),
      async declare(request) {
        known(networks, "network", request.network);
        endpoints.set(request.owner, request);
        return endpointView(request);
      },
      async provision(owner) {
        const endpoint = known(endpoints, "endpoint", owner);
        const network = known(networks, "network", endpoint.network);
        const gateways = network.subnets
          .filter((subnet) => endpoint.addresses.some((address) => contains(subnet.pool, address.ip)))
          .flatMap((subnet) => (subnet.gateway && !network.internal ? [subnet.gateway] : []));
        const { linkName } = endpointView(endpoint);
        return {
          linkName,
          ...(endpoint.ifname !== undefined && { ifname: endpoint.ifname }),
          gateways,
          onLink: [],
        };
      },
      unprovision: async () => undefined,
      async forget(owner) {
        endpoints.delete(owner);
      },
      list: () => [...endpoints.values()].map(endpointView),
    },
    reconcile: async ({ dryRun }) => ({ dryRun, actions: [] }),
    findings: () => [],
  };
}

function networkView(request: NetworkRequest): NetworkView {
  return {
    owner: request.owner,
    kind: request.kind,
    state: "active",
    healthy: true,
    parent: request.options["parent"] ?? "",
    mode: request.options["macvlan_mode"] ?? "bridge",
    mtu: undefined,
    internal: request.internal,
    ipv6: request.ipv6,
    subnets: request.subnets,
    options: request.options,
    endpoints: 0,
    createdAt: "2026-01-01T00:00:00Z",
    findings: [],
  };
}

function endpointView(request: EndpointRequest): EndpointView {
  const addresses = request.addresses.map(formatCidr);
  return {
    owner: request.owner,
    network: request.network,
    state: "declared",
    addresses,
    mac: request.mac ?? deriveMac(request.network, ...addresses),
    linkName: "ul-fake",
    createdAt: "2026-01-01T00:00:00Z",
  };
}
