import { existsSync } from "node:fs";
import { join } from "node:path";
import { findById, type NetworkBody, networkRow, statusBody } from "../daemon/api.ts";
import { endpointBody } from "../daemon/endpoint-json.ts";
import { peerBodies } from "../daemon/peer-json.ts";
import type { EndpointRecord, NetworkRecord } from "../engine/records.ts";
import { endpointView, networkRowView } from "../engine/views.ts";
import { DATABASE_FILE, openStore } from "../store/sqlite.ts";
import type { Source } from "./client.ts";

export function hasRecords(stateDir: string): boolean {
  return existsSync(join(stateDir, DATABASE_FILE));
}

/**
 * What the records say while no daemon runs. The kernel is not asked, so whether a network is healthy is unknown.
 * Throws `state` when the database cannot be read; what changes something always throws what `daemonMissing` says.
 */
export function offlineSource(stateDir: string, daemonMissing: Error): Source {
  const store = openStore(stateDir, { readonly: true });
  const records = store.table<EndpointRecord>("endpoints").list();
  const endpoints = records.map(({ body }) => endpointBody(endpointView(body)));
  const byNetwork = Map.groupBy(records, ({ body }) => body.network);
  const networks = store
    .table<NetworkRecord>("networks")
    .list()
    .map(({ body }): NetworkBody => {
      const own = byNetwork.get(body.owner) ?? [];
      const view = networkRowView(body, { endpoints: own.length, healthy: true });
      return { ...networkRow(view), healthy: null, findings: [] };
    });
  store.close();

  return {
    status: async () => statusBody(null, networks, endpoints, []),
    networks: async () => ({ schema: "underlay.networks/v1", networks }),
    networkRows: async () => ({ schema: "underlay.networks/v1", networks }),
    network: async (id) => {
      const network = findById("network", networks, id);
      const own = endpoints.filter((endpoint) => endpoint.network_id === network.id);
      const peers = network.tunnel && { peers: peerBodies(network, undefined) };
      return { schema: "underlay.network/v1", network, endpoints: own, ...peers };
    },
    peers: async (id) => {
      const asked = id === undefined ? networks : [findById("network", networks, id)];
      const peers = asked.flatMap((network) => peerBodies(network, undefined));
      return { schema: "underlay.peers/v1", peers };
    },
    changePeers: () => Promise.reject(daemonMissing),
    endpoints: async () => ({ schema: "underlay.endpoints/v1", endpoints }),
    endpoint: async (id) => ({
      schema: "underlay.endpoint/v1",
      endpoint: findById("endpoint", endpoints, id),
    }),
    gc: () => Promise.reject(daemonMissing),
  };
}
