import { refusals } from "../conditions/judge.ts";
import { asUnderlayError, problemsError, UnderlayError } from "../lib/errors.ts";
import type { LinkFacts, ParentFacts } from "../lib/facts.ts";
import type { Family } from "../lib/ip.ts";
import type { LinkKind, NetworkRequest } from "../lib/request.ts";
import { settleAll } from "../lib/settle.ts";
import type { LinkSpec, Parsed } from "../links/driver.ts";
import type { ParentMemory } from "../links/parent/parents.ts";
import { layersOf, type ParentLayer, type VlanLayer } from "../links/parent/plan.ts";
import { missingParentError } from "../links/parent/ref.ts";
import { type Context, endpointsOf, judgedOf } from "./context.ts";
import { declareKey, type Endpoints } from "./endpoints.ts";
import type { Gateways } from "./gateways.ts";
import type { Health } from "./health.ts";
import type { HostAccess } from "./host-access.ts";
import { requireHostAddress } from "./host-sources.ts";
import type { OpenNetworks } from "./open-network.ts";
import { requireOtherHosts } from "./other-hosts.ts";
import type { OwnParents } from "./own-parents.ts";
import type { NetworkRecord } from "./records.ts";
import { addressesOf, hostIsGateway, requireSame, requireUnrouted, settledSpec } from "./settled.ts";
import { tellOfSubnets } from "./tell-of-subnets.ts";

/** Networks: everything that can be wrong is found at create; afterwards a network is a record. */
export interface Networks {
  ensure(request: NetworkRequest, givenUp?: AbortSignal): Promise<void>;
  remove(owner: string): Promise<void>;
  /** Whether the host has the gateways' addresses on a network with such options. */
  hostIsGateway(kind: LinkKind, options: Readonly<Record<string, string>>): boolean;
  /** Removes it if that still holds when its turn has come, and tells whether it did. */
  removeIf(owner: string, holds: (record: NetworkRecord) => boolean): Promise<boolean>;
}

/** What of the engine works on networks. */
export interface NetworkParts {
  readonly endpoints: Endpoints;
  readonly health: Health;
  readonly own: OwnParents;
  readonly hosts: Pick<HostAccess, "sync">;
  readonly gateways: Pick<Gateways, "close">;
  readonly ways: Pick<OpenNetworks, "open" | "close">;
}

type GoodOptions = Extract<Parsed<LinkSpec>, { readonly spec: LinkSpec }>;

/** Creates run one after another: each is judged by what the ones before it left. */
const CREATES = "networks";

export function networksOf(context: Context, parts: NetworkParts): Networks {
  const { endpoints, health, own, hosts, gateways, ways } = parts;
  const { networks, queues, step } = context;

  async function ensure(request: NetworkRequest, givenUp?: AbortSignal): Promise<void> {
    const parsed = context.drivers[request.kind].parse(request.options, { ipv6: request.ipv6 });
    if ("problems" in parsed) {
      throw problemsError(parsed.code, parsed.problems, { network: request.owner });
    }
    await queues.run([CREATES, ...keysOf(request.owner)], async () => {
      const existing = networks.get(request.owner);
      if (existing?.state === "active") return requireSame(existing, request);
      if (existing) await removeNow(existing);
      givenUp?.throwIfAborted();
      const good = { ...parsed, spec: settledSpec(context, request, parsed.spec) };
      const layers = layersOf(good.spec.parent, request.owner);
      await own.hold(layers, async () => {
        try {
          await makeParent(request, good, layers);
          await makeOn(request, good, givenUp);
        } catch (thrown) {
          await own.dropUnused(layers).catch(notDropped(request.owner));
          throw thrown;
        }
      });
    });
  }

  async function makeParent(
    request: NetworkRequest,
    parsed: GoodOptions,
    layers: readonly ParentLayer[],
  ): Promise<void> {
    try {
      await own.make(layers, (layer) => judgeBelow(request, parsed, layer));
    } catch (thrown) {
      throw (await inWords(request, parsed, layers, thrown)) ?? thrown;
    }
  }

  /** Makes the network on a parent that is there. */
  async function makeOn(request: NetworkRequest, parsed: GoodOptions, givenUp?: AbortSignal): Promise<void> {
    const { record, facts } = await judged(request, parsed.spec, parsed.allow);
    givenUp?.throwIfAborted();
    step("network.ensure.before-record");
    await networks.put(record);
    if (givenUp?.aborted) {
      await networks.delete(record.owner);
      health.forget(record.owner);
    }
    givenUp?.throwIfAborted();
    step("network.ensure.after-record");
    const opened = await ways.open(record);
    tellOfSubnets(context, opened);
    // What was read before the host's addresses came to the parent says that another link has them.
    health.note(opened, opened.spec.carriesHost ? await factsOf(request, opened.spec) : facts);
  }

  async function factsOf(request: NetworkRequest, spec: LinkSpec): Promise<ParentFacts> {
    const limits = { families: familiesOf(request) };
    return context.parents.facts(spec.parent, await memoryOfDummy(request, spec), limits);
  }

  function notDropped(network: string) {
    return (thrown: unknown) => {
      const error = asUnderlayError(thrown).message;
      context.log("warn", "a parent that was made in vain could not be removed", { network, error });
    };
  }

  /** What stands against the link below a VLAN stands against the VLAN, but for who else uses that link. */
  async function judgeBelow(
    request: NetworkRequest,
    { spec, allow }: GoodOptions,
    layer: ParentLayer,
  ): Promise<void> {
    if (layer.kind !== "vlan") return;
    const facts = await factsBelow(spec, layer);
    const record = recordOf(request, spec, allow, facts.link);
    const refusal = refusals({ ...judgedOf(context, record, facts), neighbours: [] }, allow);
    if (refusal) throw refusal;
  }

  async function factsBelow(spec: LinkSpec, { lower }: VlanLayer): Promise<ParentFacts> {
    const ref = { how: "name", name: lower } as const;
    const limits = { families: [], children: false } as const;
    const { link, candidates, ...facts } = await context.parents.facts(ref, undefined, limits);
    const vids = spec.parent.how === "vlan" ? spec.parent.vids : [];
    return {
      ...facts,
      ...(link && { link: withoutMaster(link) }),
      candidates: candidates.map((name) => [name, ...vids].join(".")),
    };
  }

  /** What the kernel says to a VLAN or a dummy, in the words of the condition behind it. */
  async function inWords(
    request: NetworkRequest,
    { spec, allow }: GoodOptions,
    layers: readonly ParentLayer[],
    thrown: unknown,
  ): Promise<UnderlayError | undefined> {
    const [layer] = layers;
    if (!layer || !(thrown instanceof UnderlayError) || thrown.code !== "kernel") return undefined;
    const facts: ParentFacts =
      layer.kind === "vlan" ? await factsBelow(spec, layer) : { ...NO_FACTS, asked: layer.name };
    const { errno = "", kernelText = "" } = thrown;
    const trial = { outcome: "failed", errno, text: kernelText, kind: layer.kind } as const;
    const record = recordOf(request, spec, allow, facts.link);
    return refusals({ ...judgedOf(context, record, { ...facts, trial }), neighbours: [] }, allow);
  }

  /** The record that the request becomes, when nothing stands against it, and what was read of its parent. */
  async function judged(
    request: NetworkRequest,
    spec: LinkSpec,
    allow: readonly string[],
  ): Promise<{ record: NetworkRecord; facts: ParentFacts }> {
    const facts = await factsOf(request, spec);
    const record = recordOf(request, spec, allow, facts.link);
    if (!facts.link) throw missingParentError(spec.parent) ?? mustRefuse(record, refused(record, facts));
    const refusal = refused(record, facts);
    if (refusal) throw refusal;
    requireHostAddress(context, record, facts.link.addresses);
    requireUnrouted(record, facts.routesElsewhere);
    if (spec.tunnel) await requireOtherHosts(context.drivers, record, spec.tunnel.peers);
    const trial = await context.drivers[record.kind].trial(facts.link.ifindex, spec);
    const tried = trial && refused(record, { ...facts, trial });
    if (tried) throw tried;
    return { record, facts };
  }

  /** A dummy has no name but the one that we gave it. */
  async function memoryOfDummy(request: NetworkRequest, spec: LinkSpec): Promise<ParentMemory | undefined> {
    if (spec.parent.how !== "dummy") return undefined;
    const [layer] = layersOf(spec.parent, request.owner);
    const found = layer && (await context.parentLinks.look(layer));
    return found && { name: found.name, ifindex: found.ifindex, bootId: context.bootId };
  }

  function refused(record: NetworkRecord, facts: ParentFacts): UnderlayError | undefined {
    return refusals(judgedOf(context, record, facts), record.allow);
  }

  function recordOf(
    request: NetworkRequest,
    spec: LinkSpec,
    allow: readonly string[],
    parent: LinkFacts | undefined,
  ): NetworkRecord {
    return {
      owner: request.owner,
      kind: request.kind,
      state: "active",
      options: request.options,
      spec,
      allow,
      parent: memoryOf(parent, context.bootId),
      ...addressesOf(request, spec),
      internal: request.internal,
      ipv6: request.ipv6,
      createdAt: new Date(context.clock()).toISOString(),
    };
  }

  async function remove(owner: string): Promise<void> {
    await removeIf(owner, () => true);
  }

  async function removeIf(owner: string, holds: (record: NetworkRecord) => boolean): Promise<boolean> {
    return queues.run(keysOf(owner), async () => {
      const record = networks.get(owner);
      if (!record || !holds(record)) return false;
      await removeNow(record);
      return true;
    });
  }

  async function removeNow(record: NetworkRecord): Promise<void> {
    const { owner } = record;
    step("network.remove.before-intent");
    await settleAll([
      async () => {
        await networks.put({ ...record, state: "removing" });
        step("network.remove.after-intent");
      },
      ...endpointsOf(context, owner).map((endpoint) => () => endpoints.forget(endpoint.owner)),
      () => hosts.sync(owner),
      () => gateways.close(record),
      () => ways.close(record),
      async () => {
        step("network.remove.after-endpoints");
        await networks.delete(owner);
        health.forget(owner);
        step("network.remove.after-record");
      },
      () => dropParent(record),
    ]);
  }

  function dropParent({ spec, owner }: NetworkRecord): Promise<void> {
    const layers = layersOf(spec.parent, owner);
    return own.hold(layers, () => own.dropUnused(layers));
  }

  return {
    ensure,
    remove,
    removeIf,
    hostIsGateway: (kind, options) => hostIsGateway(context, kind, options),
  };
}

/** Of the host's routes only those say something of a network that are of its families. */
function familiesOf({ subnets }: NetworkRequest): Family[] {
  return [...new Set(subnets.map(({ pool }) => pool.ip.family))];
}

const NO_FACTS = { candidates: [], children: [], routers: [], routesElsewhere: [] } as const;

/** A port of a bridge gives its tagged frames to its VLANs first (vlan_do_receive, before any rx_handler). */
function withoutMaster({ master: _, ...link }: LinkFacts): LinkFacts {
  return link;
}

/** A network's own queue, and that of its declares: none may slip in between its last endpoint and its end. */
function keysOf(owner: string): string[] {
  return [networkKey(owner), declareKey(owner)];
}

export function networkKey(owner: string): string {
  return `network ${owner}`;
}

export function memoryOf(link: LinkFacts | undefined, bootId: string): ParentMemory {
  if (!link) return { name: "", ifindex: 0, bootId };
  const mac = link.permanentMac ?? link.mac;
  return { name: link.name, ifindex: link.ifindex, ...(mac && { mac }), bootId };
}

function mustRefuse(record: NetworkRecord, refusal: UnderlayError | undefined): UnderlayError {
  return refusal ?? new UnderlayError("refused", `parent ${record.spec.parent.how} is missing`);
}
