import type { ParentWish } from "../lib/attach.ts";
import { layersOf, type ParentLayer } from "../links/parent/plan.ts";
import { parseParent } from "../links/parent/ref.ts";
import type { Store } from "../store/store.ts";
import { type EngineParts, parentTables } from "./context.ts";
import { ownParents } from "./own-parents.ts";
import { Queues } from "./queues.ts";
import { type AttachmentRecord, type NetworkRecord, parentNamesOf } from "./records.ts";

/**
 * Attachments as users of VLANs, beside the networks: a VLAN that is missing is made with the first user and removed
 * with the last, of whichever protocol and in whichever process they are.
 */
export interface ParentUsers {
  /**
   * Counts the attachment, and makes what is missing; counted again it is one. When it fails, it is not counted.
   * Throws as `OwnParents.make` does.
   */
  join(user: ParentUser): Promise<void>;
  /** Counts it no more, and removes what nobody uses. One that is not counted may have left half. */
  leave(user: ParentUser): Promise<void>;
  /** The same for all of which that holds, and for those of former boots; and finishes what others left half done. */
  leaveAll(isGone: (owner: string) => boolean): Promise<void>;
}

export interface ParentUser {
  readonly owner: string;
  /** As it was asked for: `eth0.50`. */
  readonly parent: string;
  readonly protocol?: NonNullable<ParentWish["vlanProtocol"]>;
}

export type ParentUsersParts = Pick<
  EngineParts,
  "store" | "parentLinks" | "lockParent" | "step" | "log" | "bootId" | "clock"
>;

/** For a process of its own: what others do to networks and parents meanwhile is read at each look. */
export function parentUsers(parts: ParentUsersParts): ParentUsers {
  const { store, step, bootId, clock } = parts;
  const { attachments, ...tables } = parentTables(store);
  const own = ownParents({
    ...parts,
    ...tables,
    attachments,
    networks: networksIn(store),
    queues: new Queues(),
  });

  async function join(user: ParentUser): Promise<void> {
    const { owner } = user;
    const layers = vlansOf(user);
    const before = attachments.get(owner)?.body;
    if (before && !isSame(before.layers, layers)) await forget(owner, before.layers);
    await own.hold(layers, async () => {
      await using undo = new AsyncDisposableStack();
      step("parent.join.before-record");
      await record(owner, layers);
      undo.defer(async () => {
        await attachments.delete(owner);
        await own.dropUnused(layers);
      });
      step("parent.join.after-record");
      await own.make(layers);
      undo.move();
    });
  }

  async function record(owner: string, layers: readonly ParentLayer[]): Promise<void> {
    const version = attachments.get(owner)?.version ?? 0;
    const createdAt = new Date(clock()).toISOString();
    await attachments.put(owner, { owner, layers, bootId, createdAt }, version);
  }

  async function leave(user: ParentUser): Promise<void> {
    const { owner } = user;
    const recorded = attachments.get(owner)?.body.layers;
    if (recorded) await forget(owner, recorded);
    const layers = vlansOf(user);
    if (recorded && isSame(recorded, layers)) return;
    await own.hold(layers, () => own.dropUnused(layers));
  }

  function forget(owner: string, layers: readonly ParentLayer[], holds = () => true): Promise<void> {
    return own.hold(layers, async () => {
      if (!holds()) return;
      step("parent.leave.before-record");
      await attachments.delete(owner);
      step("parent.leave.after-record");
      await own.dropUnused(layers);
    });
  }

  async function leaveAll(isGone: (owner: string) => boolean): Promise<void> {
    const isOver = ({ owner, bootId: ofBoot }: AttachmentRecord) => ofBoot !== bootId || isGone(owner);
    for (const row of attachments.list().filter(({ body }) => isOver(body))) {
      // It may come again while we wait.
      const holds = () => Bun.deepEquals(attachments.get(row.id), row);
      await forget(row.id, row.body.layers, holds);
    }
    for (const { layer } of own.unused()) await own.hold([layer], () => own.dropUnused([layer]));
  }

  return { join, leave, leaveAll };
}

function networksIn(store: Store) {
  const table = store.table<NetworkRecord>("networks");
  const list = () => table.list().map(({ body }) => body);
  return {
    list,
    with: (_kind: "parent", name: string) =>
      list().filter((network) => parentNamesOf(network).includes(name)),
    keys: () => new Set(list().flatMap(parentNamesOf)),
  };
}

/** The VLANs of a name, outermost first; none of one that names no VLAN. */
function vlansOf({ owner, parent, protocol }: ParentUser): readonly ParentLayer[] {
  const reading = parseParent(parent);
  if (!("value" in reading) || reading.value.how !== "vlan") return [];
  return layersOf({ ...reading.value, ...(protocol !== undefined && { protocol }) }, owner);
}

function isSame(some: readonly ParentLayer[], others: readonly ParentLayer[]): boolean {
  return some.map(({ name }) => name).join(" ") === others.map(({ name }) => name).join(" ");
}
