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
      ...orphans(context, links, suspicions),
    ];
    forgetOld(suspicions, plans);
    if (!options.dryRun) for (const plan of plans) await carryOut(context, plan);
    return { dryRun: options.dryRun, actions: plans.map(({ action }) => action) };
  };
}

async function carryOut(context: Context, { action, carryOut: act }: Plan): Promise<void> {
  try {
    await act();
    const level = action.what === "suspect" ? "debug" : "info";
    context.log(level, `reconcile: ${action.what}`, { subject: action.subject, why: action.why });
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
  return context.endpoints.list().flatMap((record): Plan[] => {
    const { owner } = record;
    const reason = certainReason(context, record);
    if (reason !== undefined) return [dropEndpoint(endpoints, owner, reason)];
    if (held.has(owner)) return [];
    const { stale, seconds } = suspect(context, suspicions, owner, endpoints.lastCall(owner));
    if (stale) return [dropEndpoint(endpoints, owner, `no container has had its link for ${seconds} s`)];
    return [suspicion(owner, `no container has its link (${seconds} s)`)];
  });
}

function dropEndpoint(endpoints: Endpoints, owner: string, why: string): Plan {
  return { action: { what: "drop-endpoint", subject: owner, why }, carryOut: () => endpoints.forget(owner) };
}

function suspicion(subject: string, why: string): Plan {
  return { action: { what: "suspect", subject, why }, carryOut: async () => undefined };
}

function certainReason(context: Context, record: EndpointRecord): string | undefined {
  if (record.bootId !== context.bootId) return "it belongs to a former boot of this host";
  if (record.state === "removing") return "its removal was interrupted";
  if (!context.networks.get(record.network)) return "its network is gone";
  return undefined;
}

/** Counts from the first pass that found it so, or from the last call about it, whichever is later. */
function suspect(context: Context, suspicions: Suspicions, subject: string, lastCall: number) {
  const now = context.clock();
  const since = Math.max(suspicions.get(subject) ?? now, lastCall);
  suspicions.set(subject, since);
  return { stale: now - since >= context.staleAfter, seconds: Math.round((now - since) / 1000) };
}

/** What a pass did not find suspect any more is not. */
function forgetOld(suspicions: Suspicions, plans: readonly Plan[]): void {
  const found = new Set(plans.map(({ action }) => action.subject));
  for (const subject of suspicions.keys()) if (!found.has(subject)) suspicions.delete(subject);
}

/**
 * Links that bear our name and that no record speaks of: the state was lost, or another daemon with another state
 * directory is about to hand them to a container. So they have to be seen twice as well. Those in containers stay.
 */
function orphans(context: Context, links: readonly SurveyedLink[], suspicions: Suspicions): Plan[] {
  const known = new Set(context.endpoints.list().map(linkNameOfEndpoint));
  return links
    .filter(({ home, name }) => home && isOurLinkName(name) && !known.has(name))
    .map(({ name, owner }) => {
      const { stale, seconds } = suspect(context, suspicions, name, 0);
      const why = `no record speaks of it, it says ${owner} (${seconds} s)`;
      if (!stale) return suspicion(name, why);
      return {
        action: { what: "delete-link", subject: name, why },
        carryOut: () => context.reaper.delete(name),
      };
    });
}
