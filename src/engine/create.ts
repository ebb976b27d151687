import { isOurLinkName } from "../lib/ifname.ts";
import type { WatchedLink } from "../links/watch.ts";
import { announcerOf } from "./announce.ts";
import { type Context, type EngineParts, makeContext } from "./context.ts";
import { endpointsOn } from "./endpoints.ts";
import type { Engine, NetworkView } from "./engine.ts";
import { Health } from "./health.ts";
import { hostAccess } from "./host-access.ts";
import { networksOf } from "./networks.ts";
import { ownParents } from "./own-parents.ts";
import { reconciler } from "./reconcile.ts";
import { endpointView, networkView } from "./views.ts";

/** What a program adds to the engine that sees links change. */
export interface WatchfulEngine extends Engine {
  /** Makes parents of ours, and links of the host, again that are gone, and looks at every parent, so that `findings` are of now. */
  refresh(): Promise<void>;
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
  const hosts = hostAccess(context, () => health.tell());
  const endpoints = endpointsOn(context, own, hosts);
  const networks = networksOf(context, { endpoints, health, own, hosts });
  const reconcile = reconciler(context, networks, endpoints, own, hosts);

  return {
    networks: { ...networks, list: () => networkViews(context, health) },
    endpoints: {
      declare: async (request) => endpointView(await endpoints.declare(request)),
      provision: endpoints.provision,
      unprovision: endpoints.unprovision,
      forget: endpoints.forget,
      list: () => context.endpoints.list().map(endpointView),
    },
    reconcile,
    findings: () => health.all(),
    refresh: async () => {
      await own.restoreAll();
      await hosts.syncAll();
      await health.refresh();
    },
    announce: announcerOf(context),
    concerns: (link) => hosts.keeps(link.name) || (!isOurLinkName(link.name) && health.concerns(link)),
  };
}

function networkViews(context: Context, health: Health): NetworkView[] {
  const counts = Map.groupBy(context.endpoints.list(), ({ network }) => network);
  return context.networks.list().map((record) =>
    networkView(record, {
      endpoints: counts.get(record.owner)?.length ?? 0,
      healthy: health.isHealthy(record),
      findings: health.findingsOf(record),
    }),
  );
}
