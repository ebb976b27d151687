import { hostLinkNameOf } from "../lib/ifname.ts";
import type { EndpointView, NetworkRowView } from "./engine.ts";
import {
  type EndpointRecord,
  gatewayLinkOf,
  linkNameOfEndpoint,
  type NetworkRecord,
  subnetsOf,
} from "./records.ts";

/** Records as they are shown: to the admin API, and to the CLI when it reads the store itself. */

export interface NetworkLive {
  readonly endpoints: number;
  readonly healthy: boolean;
}

export function networkRowView(record: NetworkRecord, live: NetworkLive): NetworkRowView {
  return {
    owner: record.owner,
    kind: record.kind,
    state: record.state,
    healthy: live.healthy,
    parent: record.parent.name,
    ...(record.spec.hostIsGateway && { gatewayLink: gatewayLinkOf(record) }),
    mode: record.spec.mode,
    mtu: record.spec.parent.how === "switch" ? record.spec.parent.mtu : record.spec.mtu,
    internal: record.internal,
    ipv6: record.ipv6,
    subnets: subnetsOf(record),
    options: record.options,
    ...(record.spec.hostAccess && {
      hostAccess: { link: hostLinkNameOf(record.owner), addresses: record.spec.hostAccess.addresses },
    }),
    endpoints: live.endpoints,
    createdAt: record.createdAt,
  };
}

export function endpointView(record: EndpointRecord): EndpointView {
  return {
    owner: record.owner,
    network: record.network,
    state: record.state,
    addresses: record.addresses,
    mac: record.mac,
    linkName: linkNameOfEndpoint(record),
    createdAt: record.createdAt,
  };
}
