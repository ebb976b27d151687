import { asUnderlayError, UnderlayError } from "../lib/errors.ts";
import { moduleOf } from "../lib/kinds.ts";
import type { FoundLayer } from "../links/parent/make.ts";
import { askedName, layersOf, type ParentLayer } from "../links/parent/plan.ts";
import type { Context } from "./context.ts";
import type { NetworkRecord, ParentRecord } from "./records.ts";

/** What it stands on. Of networks a process of another protocol reads what the daemon wrote. */
export interface OwnParentsContext
  extends Pick<
    Context,
    | "ownedParents"
    | "attachments"
    | "parentLinks"
    | "queues"
    | "lockParent"
    | "step"
    | "log"
    | "bootId"
    | "clock"
  > {
  readonly networks: {
    with(kind: "parent", name: string): readonly NetworkRecord[];
    keys(kind: "parent"): ReadonlySet<string>;
    list(): NetworkRecord[];
  };
}

/**
 * Parents that we made: VLANs and dummies. A link is ours when the record says so and the kernel does not contradict:
 * by its index in the boot in which it was made, else by its birth mark. Whatever else has its name is somebody's and
 * is used as it is. Each is made, counted and removed under its own lock.
 */
export interface OwnParents {
  /**
   * Does the work while nobody else, in this process or another, makes or removes the links of that parent: a network or
   * an attachment is counted as soon as its record is written.
   */
  hold<T>(layers: readonly ParentLayer[], work: () => Promise<T>): Promise<T>;
  /** Makes what is missing, lowest first. `judge` is asked once, before the first. Only while held. */
  make(layers: readonly ParentLayer[], judge?: (layer: ParentLayer) => Promise<void>): Promise<void>;
  /** Removes what is ours and what no network and no attachment uses any more, highest first. Only while held. */
  dropUnused(layers: readonly ParentLayer[]): Promise<void>;
  /**
   * Makes the parent of a network again; false when there was nothing to do, or what is gone was never ours: who made
   * it may be about to. Throws as `ParentLinks.make` does.
   */
  restore(network: NetworkRecord): Promise<boolean>;
  /** The same for these networks, or for all. What fails is logged, once for as long as it fails in the same way. */
  restoreAll(networks?: readonly NetworkRecord[]): Promise<void>;
  /** Records that no network and no attachment uses. */
  unused(): ParentRecord[];
}

export function ownParents(context: OwnParentsContext): OwnParents {
  const { ownedParents: records, networks, parentLinks: links, step, log, bootId } = context;
  const failing = new Map<string, string>();

  function hold<T>(layers: readonly ParentLayer[], work: () => Promise<T>): Promise<T> {
    if (layers.length === 0) return work();
    const keys = layers.map(({ name }) => `parent ${name}`);
    return context.queues.run(keys, async () => {
      await using locks = new AsyncDisposableStack();
      for (const { name } of layers) {
        const lock = await context.lockParent(name);
        locks.defer(() => lock.release());
        records.reload(name);
      }
      return await work();
    });
  }

  async function make(
    layers: readonly ParentLayer[],
    judge?: (layer: ParentLayer) => Promise<void>,
  ): Promise<void> {
    let judged = false;
    for (const layer of layers) {
      const found = await links.look(layer);
      if (found) {
        requireProtocol(layer, found);
        await adopt(layer, found);
        continue;
      }
      if (!judged) await judge?.(layer);
      judged = true;
      await makeLayer(layer);
    }
  }

  async function makeLayer(layer: ParentLayer): Promise<void> {
    step("parent.make.before-record");
    const record = { owner: layer.name, layer, createdAt: new Date(context.clock()).toISOString() };
    // A power cut takes the link as well; and what follows with a network is on the disk with the network's record.
    await records.put({ ...record, state: "making", bootId, ifindex: 0 }, "normal");
    step("parent.make.after-record");
    const ifindex = await links.make(layer).catch(async (thrown: unknown) => {
      if (!isUsed(layer.name)) await records.delete(layer.name);
      throw thrown;
    });
    step("parent.make.after-link");
    await records.put({ ...record, state: "made", bootId, ifindex }, "normal");
    step("parent.make.after-confirm");
    log("info", "a parent was made", { parent: askedName(layer), link: layer.name, kind: layer.kind });
  }

  /** One of that name is there. Ours, it may have been left half made; another's, it is not ours any more. */
  async function adopt(layer: ParentLayer, found: FoundLayer): Promise<void> {
    const record = records.get(layer.name);
    if (!record) return;
    if (!isOurs(record, found)) {
      log("info", "a parent of ours was replaced by a link that somebody else made; it is left alone", {
        parent: askedName(layer),
      });
      await records.delete(layer.name);
      return;
    }
    if (record.state === "made" && record.bootId === bootId) return;
    await links.finish(layer, found.ifindex);
    await records.put({ ...record, state: "made", bootId, ifindex: found.ifindex });
  }

  function isOurs(record: ParentRecord, found: FoundLayer): boolean {
    const isConfirmed = record.state === "made" && record.bootId === bootId;
    // The link of a switch has another index whenever the switch starts; whose the bridge is stands in its row.
    return isConfirmed && record.layer.kind !== "switch" ? found.ifindex === record.ifindex : found.marked;
  }

  function isUsed(name: string): boolean {
    return networks.with("parent", name).length > 0 || attachedTo().has(name);
  }

  /** Names of the links that attachments of this boot hang on. */
  function attachedTo(): ReadonlySet<string> {
    const living = context.attachments.list().filter(({ body }) => body.bootId === bootId);
    return new Set(living.flatMap(({ body }) => body.layers.map(({ name }) => name)));
  }

  function unused(): ParentRecord[] {
    records.reload();
    const used = networks.keys("parent").union(attachedTo());
    return records.list().filter(({ owner }) => !used.has(owner));
  }

  async function dropUnused(layers: readonly ParentLayer[]): Promise<void> {
    for (const { name } of layers.toReversed()) {
      const record = records.get(name);
      if (record && !isUsed(name)) await drop(record);
    }
  }

  async function drop(record: ParentRecord): Promise<void> {
    const { layer } = record;
    step("parent.drop.before-link");
    const found = await links.look(layer);
    if (found && isOurs(record, found)) await removeUnlessUsed(layer, found);
    step("parent.drop.after-link");
    await records.delete(layer.name);
    step("parent.drop.after-record");
  }

  async function removeUnlessUsed(layer: ParentLayer, { ifindex }: FoundLayer): Promise<void> {
    const parent = askedName(layer);
    const own = new Set(records.list().map((record) => record.ifindex));
    const others = await links.users(layer, ifindex, own);
    if (others.length > 0) {
      log("warn", "a parent of ours stays, for others use it", { parent, for: others.join(" ") });
      return;
    }
    await links.remove(layer, ifindex);
    log("info", "a parent was removed with its last user", { parent });
  }

  async function restore(network: NetworkRecord): Promise<boolean> {
    const layers = layersOf(network.spec.parent, network.owner);
    const [top] = layers.slice(-1);
    if (!top) return false;
    return hold(layers, async () => {
      // It may have been removed while we waited.
      if (!isUsed(top.name) || (await links.look(top))) return false;
      if (!isOnRecord(layers, await links.names(layers.flatMap(namesFor)))) return false;
      await make(layers);
      log("warn", "a parent of ours was gone and was made again", {
        network: network.owner,
        parent: askedName(top),
      });
      return true;
    });
  }

  /** Whether all that is missing was made by us. */
  function isOnRecord(layers: readonly ParentLayer[], names: ReadonlySet<string>): boolean {
    return layers.every((layer) => names.has(askedName(layer)) || records.get(layer.name) !== undefined);
  }

  async function restoreAll(among: readonly NetworkRecord[] = networks.list()): Promise<void> {
    const wanting = among
      .map((network) => ({ network, layers: layersOf(network.spec.parent, network.owner) }))
      .filter(({ network, layers }) => network.state === "active" && layers.length > 0);
    if (wanting.length === 0) return;
    const names = await links.names(wanting.flatMap(({ layers }) => layers.flatMap(namesFor)));
    const impossible = new Set<string>();
    for (const { network, layers } of wanting) {
      const [bottom, top] = [layers[0], layers.at(-1)];
      if (!bottom || !top || names.has(askedName(top)) || impossible.has(bottom.kind)) continue;
      const isFirst = !names.has(askedName(bottom));
      // Without the link below there is nothing to try: the network is degraded, and that is told.
      if (isFirst && bottom.kind === "vlan" && !names.has(bottom.lower)) continue;
      if (!isOnRecord(layers, names)) continue;
      const failure = await restored(network, bottom.kind);
      if (failure?.errno === "EOPNOTSUPP" || failure?.code === "unreachable") impossible.add(bottom.kind);
    }
  }

  async function restored(network: NetworkRecord, kind: string): Promise<UnderlayError | undefined> {
    try {
      await restore(network);
      failing.delete(network.owner);
      return undefined;
    } catch (thrown) {
      const error = asUnderlayError(thrown);
      if (failing.get(network.owner) !== error.message) {
        const hint = error.errno === "EOPNOTSUPP" && { try: `modprobe ${moduleOf(kind)}` };
        const fields = { network: network.owner, error: error.message, ...hint };
        log("warn", "a parent of ours is gone and cannot be made again", fields);
      }
      failing.set(network.owner, error.message);
      return error;
    }
  }

  return {
    hold,
    make,
    dropUnused,
    restore,
    restoreAll,
    unused,
  };
}

/** By which a layer, and the link below it, is found. */
function namesFor(layer: ParentLayer): string[] {
  return layer.kind === "vlan" ? [askedName(layer), layer.lower] : [askedName(layer)];
}

/** A name that exists always wins; but a protocol that was asked for is not ignored in silence. */
function requireProtocol(layer: ParentLayer, found: FoundLayer): void {
  if (layer.kind !== "vlan" || !layer.strict || found.protocol === layer.protocol) return;
  const is = found.protocol === undefined ? "is no VLAN" : `is a VLAN of protocol ${found.protocol}`;
  throw new UnderlayError(
    "conflict",
    `${askedName(layer)} exists already and ${is}, not ${layer.protocol}; leave vlan_protocol out to use it as it is`,
    { inputs: { parent: askedName(layer) } },
  );
}
