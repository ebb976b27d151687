import { isOurLinkName } from "../lib/ifname.ts";
import { askedName } from "../links/parent/plan.ts";
import type { Surveyed, SurveyedLink } from "../links/survey.ts";
import { type Context, endpointsOf } from "./context.ts";
import type { Endpoints } from "./endpoints.ts";
import type { ReconcileAction, ReconcileOptions, ReconcileReport } from "./engine.ts";
import type { HostAccess } from "./host-access.ts";
import { leftovers } from "./leftovers.ts";
import type { Networks } from "./networks.ts";
import type { OwnParents } from "./own-parents.ts";
import { type Plan, suspect, suspicion } from "./reconcile-plan.ts";
import { type EndpointRecord, linkNameOfEndpoint, type NetworkRecord } from "./records.ts";
import { NEVER } from "./sightings.ts";
import { staleAttachments } from "./stale-attachments.ts";

/**
 * How many times longer a link may wait where it was made: Docker up to 27 fetches it only when the container's first
 * process is about to run, which a busy machine can put off.
 */
const IN_TRANSIT = 10;

/**
 * Links that are deleted together share the kernel's grace period of some 16 ms; but the records of all, written in
 * one go, would hold up everything else.
 */
const AT_ONCE = 64;

/** One pass at a time: two would tell of the same endpoint twice. */
const PASSES = "reconcile";

/**
 * Brings records and kernel together. Nobody tells us that a container died with dockerd: an endpoint is stale when
 * its link is in no container's netns on two passes that are `staleAfter` apart, with no call for it in between.
 */
export function reconciler(
  context: Context,
  networks: Networks,
  endpoints: Endpoints,
  own: OwnParents,
  hosts: Pick<HostAccess, "orphans" | "removeOrphan">,
) {
  async function pass(options: ReconcileOptions): Promise<ReconcileReport> {
    const surveyed = await context.survey();
    if (!surveyed.complete) {
      context.log(
        "warn",
        "some network namespaces cannot be looked into: no endpoint is released meanwhile",
        {
          needs: "CAP_SYS_ADMIN and CAP_SYS_PTRACE, and the /proc of the host",
        },
      );
    }
    const ofNetworks = [
      ...unfinishedNetworks(context, networks),
      ...forgottenNetworks(context, networks, options),
      ...staleAttachments(context, own, surveyed),
      ...unusedParents(own),
    ];
    const ofLinks = [
      ...unusableEndpoints(context, endpoints, surveyed, options),
      ...orphans(context, surveyed.links),
      ...hostOrphans(context, hosts, await hosts.orphans()),
      ...(await leftovers(context)),
    ];
    const plans = [...ofNetworks, ...ofLinks];
    context.sightings.keepOnly(new Set(plans.map(({ action }) => action.subject)));
    if (options.dryRun) return { dryRun: true, actions: plans.map(({ action }) => action) };
    const actions: ReconcileAction[] = [];
    for (const plan of ofNetworks) actions.push(...(await carryOut(context, plan)));
    for (let at = 0; at < ofLinks.length; at += AT_ONCE) {
      const some = ofLinks.slice(at, at + AT_ONCE);
      const done = await Promise.all(some.map((plan) => carryOut(context, plan)));
      actions.push(...done.flat());
    }
    return { dryRun: false, actions };
  }

  return (options: ReconcileOptions) => context.queues.run([PASSES], () => pass(options));
}

async function carryOut(context: Context, { action, carryOut: act }: Plan): Promise<ReconcileAction[]> {
  try {
    if (!(await act())) return [];
    const level = action.what === "suspect" ? "debug" : "info";
    context.log(level, `reconcile: ${action.what}`, { subject: action.subject, why: action.why });
    return [action];
  } catch (thrown) {
    const failure = thrown instanceof Error ? thrown.message : String(thrown);
    context.log("error", `reconcile: ${action.what} failed`, { subject: action.subject, error: failure });
    return [{ ...action, failure }];
  }
}

function unfinishedNetworks(context: Context, networks: Networks): Plan[] {
  return context.networks
    .list()
    .filter(({ state }) => state !== "active")
    .map(({ owner, state }) => ({
      action: { what: "drop-network", subject: owner, why: `its ${state} was interrupted` },
      carryOut: () => networks.removeIf(owner, (record) => record.state !== "active"),
    }));
}

/**
 * Networks whose owner was asked and does not know them: a create whose answer was lost, a removal that never came.
 * One with endpoints waits until they are released, and a young one may not be on its owner's list yet.
 */
function forgottenNetworks(
  context: Context,
  networks: Networks,
  { isForgotten = () => false }: ReconcileOptions,
): Plan[] {
  const dropped = ({ owner, state, createdAt }: NetworkRecord) =>
    state === "active" &&
    context.clock() - Date.parse(createdAt) >= context.staleAfter &&
    endpointsOf(context, owner).length === 0 &&
    isForgotten(owner);
  return context.networks
    .list()
    .filter(dropped)
    .map((network) => ({
      action: { what: "drop-network", subject: network.owner, why: "its owner does not know it any more" },
      carryOut: () => networks.removeIf(network.owner, dropped),
    }));
}

/** Its user never came, or its removal was interrupted; whoever makes it now holds it. */
function unusedParents(own: OwnParents): Plan[] {
  return own.unused().map(({ owner, layer }) => ({
    action: { what: "drop-parent", subject: askedName(layer), why: "nobody uses it any more" },
    carryOut: () =>
      own.hold([layer], async () => {
        const isUnused = own.unused().some((record) => record.owner === owner);
        if (isUnused) await own.dropUnused([layer]);
        return isUnused;
      }),
  }));
}

function unusableEndpoints(
  context: Context,
  endpoints: Endpoints,
  { links, complete }: Surveyed,
  { isForgotten = () => false }: ReconcileOptions,
): Plan[] {
  const held = new Set(links.filter(({ home }) => !home).map(({ owner }) => owner));
  const waiting = new Set(links.filter(({ home }) => home).map(({ owner }) => owner));
  return context.endpoints.list().flatMap((record): Plan[] => {
    const { owner } = record;
    const reason = certainReason(context, record);
    if (reason !== undefined) return [dropEndpoint(context, endpoints, owner, reason)];
    if (!held.has(owner) && isForgotten(owner) && isSettled(context, endpoints, record)) {
      return [forgottenEndpoint(context, endpoints, record)];
    }
    // Where we cannot look, a container may have it.
    if (held.has(owner) || (!complete && !waiting.has(owner))) return [];
    const patience = waiting.has(owner) ? IN_TRANSIT : 1;
    const { stale, seconds } = suspect(context, owner, endpoints.lastCall(owner), patience);
    if (stale) return [releaseEndpoint(context, endpoints, record, seconds)];
    return [suspicion(owner, `no container has its link (${seconds} s)`)];
  });
}

function dropEndpoint(context: Context, endpoints: Endpoints, owner: string, why: string): Plan {
  const holds = (record: EndpointRecord) => certainReason(context, record) !== undefined;
  return {
    action: { what: "drop-endpoint", subject: owner, why },
    carryOut: () => endpoints.forgetIf(owner, holds),
  };
}

/** Old enough to be on its owner's list, if it is on it at all. */
function isSettled(context: Context, endpoints: Endpoints, { owner, createdAt }: EndpointRecord): boolean {
  const { staleAfter } = context;
  const age = context.clock() - Date.parse(createdAt);
  return age >= staleAfter && context.steady() - endpoints.lastCall(owner) >= staleAfter;
}

function forgottenEndpoint(context: Context, endpoints: Endpoints, record: EndpointRecord): Plan {
  const why = "its owner does not know it any more";
  return {
    action: { what: "drop-endpoint", subject: record.owner, why },
    carryOut: () =>
      endpoints.forgetIf(record.owner, (now) => now === record && isSettled(context, endpoints, now)),
  };
}

function releaseEndpoint(
  context: Context,
  endpoints: Endpoints,
  record: EndpointRecord,
  seconds: number,
): Plan {
  const { owner } = record;
  const lastCall = endpoints.lastCall(owner);
  const untouched = (now: EndpointRecord) => now === record && endpoints.lastCall(owner) === lastCall;
  return {
    action: {
      what: "drop-endpoint",
      subject: owner,
      why: `no container has had its link for ${seconds} s`,
    },
    carryOut: async () => {
      const dropped = await endpoints.forgetIf(owner, untouched);
      if (dropped) context.sightings.release(record, context.clock());
      return dropped;
    },
  };
}

function certainReason(context: Context, record: EndpointRecord): string | undefined {
  if (record.bootId !== context.bootId) return "it belongs to a former boot of this host";
  if (record.state === "removing") return "its removal was interrupted";
  if (!context.networks.get(record.network)) return "its network is gone";
  return undefined;
}

/**
 * Links that bear our name and that no record speaks of: the state was lost, or another daemon with another state
 * directory is about to hand them to a container. So they have to be seen twice as well. Those in containers stay.
 */
function orphans(context: Context, links: readonly SurveyedLink[]): Plan[] {
  const known = new Set(context.endpoints.list().map(linkNameOfEndpoint));
  return links
    .filter(({ home, name }) => home && isOurLinkName(name) && !known.has(name))
    .map(({ name, owner }) => {
      const { stale, seconds } = suspect(context, name, NEVER, IN_TRANSIT);
      const why = `no record speaks of it, it says ${owner} (${seconds} s)`;
      if (!stale) return suspicion(name, why);
      return {
        action: { what: "delete-link", subject: name, why },
        carryOut: async () => {
          await context.reaper.delete(name);
          return true;
        },
      };
    });
}

/** As with those: another daemon's are not ours to judge at once. */
function hostOrphans(
  context: Context,
  hosts: Pick<HostAccess, "removeOrphan">,
  names: readonly string[],
): Plan[] {
  return names.map((name) => {
    const { stale, seconds } = suspect(context, name, NEVER, IN_TRANSIT);
    const why = `no record asks for this link of the host (${seconds} s)`;
    if (!stale) return suspicion(name, why);
    return {
      action: { what: "delete-link", subject: name, why },
      carryOut: () => hosts.removeOrphan(name),
    };
  });
}
