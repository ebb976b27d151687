import { isOurLinkName } from "../lib/ifname.ts";
import type { WatchedLink } from "../links/watch.ts";
import { announcerOf } from "./announce.ts";
import { type Context, type EngineParts, makeContext } from "./context.ts";
import { endpointsOn } from "./endpoints.ts";
import type { Engine, NetworkRowView, NetworkView } from "./engine.ts";
import { gatewaysOf } from "./gateways.ts";
import { Health } from "./health.ts";
import { hostAccess } from "./host-access.ts";
import { networksOf } from "./networks.ts";
import { openNetworks } from "./open-network.ts";
import { ownParents } from "./own-parents.ts";
import { peersOf } from "./peers.ts";
import { reconciler } from "./reconcile.ts";
import { endpointView, networkRowView } from "./views.ts";

/** What a program adds to the engine that sees links change. */
export interface WatchfulEngine extends Engine {
  /**
   * Makes parents of ours, and links of the host, again that are gone, and looks at every parent, so that `findings`
   * are of now. `links`: only what a change of these can have touched.
   */
  refresh(links?: readonly WatchedLink[]): Promise<void>;
  /** Whether a change of the link is worth a `refresh`. */
  concerns(link: WatchedLink): boolean;
  /** A link has moved to another port: its neighbours are told where those containers are that cannot tell it themselves. */
  announce(ifindex: number): Promise<void>;
}

/** The engine over its parts. Reads the records; changes nothing until it is asked. */
export function createEngine(parts: EngineParts): WatchfulEngine {
  const context: Context = makeContext(parts);
  const own = ownParents(context);
  const health = new Health(context);
  const hosts = hostAccess(context, (owner) => health.tell([owner]));
  const gateways = gatewaysOf(context);
  const endpoints = endpointsOn(context, { own, hosts, gateways });
  const ways = openNetworks(context, gateways);
  const networks = networksOf(context, { endpoints, health, own, hosts, gateways, ways });
  const reconcile = reconciler(context, networks, endpoints, own, hosts);

  return {
    networks: {
      ...networks,
      list: () => networkViews(context, health),
      rows: () => networkRows(context, health),
    },
    peers: peersOf(context, ways),
    endpoints: {
      optionNames: (kind) => context.drivers[kind].endpointOptions,
      declare: async (request) => endpointView(await endpoints.declare(request)),
      provision: endpoints.provision,
      unprovision: endpoints.unprovision,
      forget: endpoints.forget,
      list: () => context.endpoints.list().map(endpointView),
    },
    reconcile,
    findings: () => health.all(),
    refresh: async (links) => {
      const touched = () => links && health.concerned(links);
      await own.restoreAll(touched());
      await hosts.syncAll();
      const concerned = touched() ?? [];
      if (links === undefined || concerned.some(({ spec }) => spec.carriesHost)) await ways.keepOpen();
      if (links === undefined || concerned.some(({ spec }) => spec.hostIsGateway)) await gateways.refresh();
      await health.refresh(touched());
    },
    announce: announcerOf(context),
    concerns: (link) => hosts.keeps(link.name) || (!isOurLinkName(link.name) && health.concerns(link)),
  };
}

function networkRows(context: Context, health: Health): NetworkRowView[] {
  const counts = Map.groupBy(context.endpoints.list(), ({ network }) => network);
  return context.networks.list().map((record) =>
    networkRowView(record, {
      endpoints: counts.get(record.owner)?.length ?? 0,
      healthy: health.isHealthy(record),
    }),
  );
}

function networkViews(context: Context, health: Health): NetworkView[] {
  return networkRows(context, health).map((row) => {
    const record = context.networks.get(row.owner);
    return { ...row, findings: record ? health.findingsOf(record) : [] };
  });
}
