import type { Surveyed } from "../links/survey.ts";
import type { Row } from "../store/store.ts";
import type { Context } from "./context.ts";
import type { OwnParents } from "./own-parents.ts";
import { type Plan, suspect, suspicion } from "./reconcile-plan.ts";
import type { AttachmentRecord } from "./records.ts";
import { NEVER } from "./sightings.ts";

/**
 * Attachments that nobody ended: those of a former boot, and those whose link no netns has on two passes that are
 * `staleAfter` apart. Some runtimes never say DEL, and their VLANs would stay for good.
 */
export function staleAttachments(context: Context, own: OwnParents, { links, complete }: Surveyed): Plan[] {
  const held = new Set(links.map(({ owner }) => owner));
  return context.attachments.list().flatMap((row): Plan[] => {
    const { owner, bootId } = row.body;
    if (bootId !== context.bootId) {
      return [drop(context, own, row, "it belongs to a former boot of this host")];
    }
    // Where we cannot look, a container may have it.
    if (held.has(owner) || !complete) return [];
    const { stale, seconds } = suspect(context, owner, NEVER, 1);
    const why = `no container has had its link for ${seconds} s`;
    return [stale ? drop(context, own, row, why) : suspicion(owner, why)];
  });
}

function drop({ attachments }: Context, own: OwnParents, row: Row<AttachmentRecord>, why: string): Plan {
  const { owner, layers } = row.body;
  return {
    action: { what: "drop-attachment", subject: owner, why },
    carryOut: () =>
      own.hold(layers, async () => {
        const isSame = Bun.deepEquals(attachments.get(owner), row);
        if (!isSame) return false;
        await attachments.delete(owner);
        await own.dropUnused(layers);
        return true;
      }),
  };
}
