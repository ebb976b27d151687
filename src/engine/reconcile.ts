import { isOurLinkName } from "../lib/ifname.ts";
import type { SurveyedLink } from "../links/survey.ts";
import type { Context } from "./context.ts";
import type { Endpoints } from "./endpoints.ts";
import type { ReconcileAction, ReconcileReport } from "./engine.ts";
import type { Networks } from "./networks.ts";
import { type EndpointRecord, linkNameOfEndpoint } from "./records.ts";

/** What a pass found wrong with an endpoint, and since when passes find it so. */
type Suspicions = Map<string, number>;

interface Plan {
  readonly action: ReconcileAction;
  carryOut(): Promise<void>;
}

/**
 * Brings records and kernel together. Nobody tells us that a container died with dockerd: an endpoint is stale when
 * its link is in no container's netns on two passes that are `staleAfter` apart, with no call for it in between.
 */
export function reconciler(context: Context, networks: Networks, endpoints: Endpoints) {
  const suspicions: Suspicions = new Map();

  return async (options: { readonly dryRun: boolean }): Promise<ReconcileReport> => {
    const links = await context.survey();
    const plans = [
      ...unfinishedNetworks(context, networks),
      ...unusableEndpoints(context, endpoints, links, suspicions),
      ...orphans(context, links),
    ];
    if (!options.dryRun) for (const plan of plans) await carryOut(context, plan);
    return { dryRun: options.dryRun, actions: plans.map(({ action }) => action) };
  };
}

async function carryOut(context: Context, { action, carryOut: act }: Plan): Promise<void> {
  try {
    await act();
    if (action.what !== "suspect-endpoint") {
      context.log("info", `reconcile: ${action.what}`, { subject: action.subject, why: action.why });
    }
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown.message : String(thrown);
    context.log("error", `reconcile: ${action.what} failed`, { subject: action.subject, error });
  }
}

function unfinishedNetworks(context: Context, networks: Networks): Plan[] {
  return context.networks
    .list()
    .filter(({ state }) => state !== "active")
    .map(({ owner, state }) => ({
      action: { what: "drop-network", subject: owner, why: `its ${state} was interrupted` },
      carryOut: () => networks.remove(owner),
    }));
}

function unusableEndpoints(
  context: Context,
  endpoints: Endpoints,
  links: readonly SurveyedLink[],
  suspicions: Suspicions,
): Plan[] {
  const held = new Set(links.filter(({ home }) => !home).map(({ owner }) => owner));
  const plans = context.endpoints.list().flatMap((record): Plan[] => {
    const why = reasonToDrop(context, endpoints, record, held, suspicions);
    if (why === undefined) return [];
    if (why.certain) {
      const action = { what: "drop-endpoint", subject: record.owner, why: why.text } as const;
      return [{ action, carryOut: () => endpoints.forget(record.owner) }];
    }
    const action = { what: "suspect-endpoint", subject: record.owner, why: why.text } as const;
    return [{ action, carryOut: async () => undefined }];
  });
  const known = new Set(context.endpoints.list().map(({ owner }) => owner));
  for (const owner of suspicions.keys()) if (!known.has(owner)) suspicions.delete(owner);
  return plans;
}

function reasonToDrop(
  context: Context,
  endpoints: Endpoints,
  record: EndpointRecord,
  held: ReadonlySet<string>,
  suspicions: Suspicions,
): { readonly certain: boolean; readonly text: string } | undefined {
  const { owner } = record;
  if (record.bootId !== context.bootId)
    return { certain: true, text: "it belongs to a former boot of this host" };
  if (record.state === "removing") return { certain: true, text: "its removal was interrupted" };
  if (!context.networks.get(record.network)) return { certain: true, text: "its network is gone" };
  if (held.has(owner)) {
    suspicions.delete(owner);
    return undefined;
  }
  const now = context.clock();
  const since = Math.max(suspicions.get(owner) ?? now, endpoints.lastCall(owner));
  suspicions.set(owner, since);
  const seconds = Math.round((now - since) / 1000);
  if (now - since < context.staleAfter)
    return { certain: false, text: `no container has its link (${seconds} s)` };
  return { certain: true, text: `no container has had its link for ${seconds} s` };
}

/** Links that bear our name and that no record speaks of: the state was lost or replaced. Those in containers stay. */
function orphans(context: Context, links: readonly SurveyedLink[]): Plan[] {
  const known = new Set(context.endpoints.list().map(linkNameOfEndpoint));
  return links
    .filter(({ home, name }) => home && isOurLinkName(name) && !known.has(name))
    .map(({ name, owner }) => ({
      action: { what: "delete-link", subject: name, why: `no record speaks of it (it says ${owner})` },
      carryOut: () => context.reaper.delete(name),
    }));
}
