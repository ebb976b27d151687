import { hostLinkNameOf } from "../lib/ifname.ts";
import type { TunnelSpec } from "../links/driver.ts";
import type { EndpointView, NetworkRowView, PeerView, PublishedView, TunnelView } from "./engine.ts";
import {
  type EndpointRecord,
  gatewayLinkOf,
  linkNameOfEndpoint,
  type NetworkRecord,
  type PublishedRecord,
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
    ...(record.spec.tunnel && { tunnel: tunnelView(record, record.spec.tunnel) }),
    endpoints: live.endpoints,
    createdAt: record.createdAt,
  };
}

function tunnelView({ createdAt, learnt = [] }: NetworkRecord, { vni, peers }: TunnelSpec): TunnelView {
  const given = peers.map((address): PeerView => ({ address, from: "option", since: createdAt }));
  const later = learnt.map(({ address, learntAt: since }): PeerView => ({ address, from: "learnt", since }));
  return { vni, peers: [...given, ...later] };
}

function publishedView({ hostAddress, ...port }: PublishedRecord): PublishedView {
  return { ...port, hostAddress: hostAddress ?? (port.containerAddress.includes(":") ? "::" : "0.0.0.0") };
}

export function endpointView(record: EndpointRecord): EndpointView {
  return {
    owner: record.owner,
    network: record.network,
    state: record.state,
    addresses: record.addresses,
    mac: record.mac,
    linkName: linkNameOfEndpoint(record),
    ...(record.published && { published: record.published.map(publishedView) }),
    createdAt: record.createdAt,
  };
}
