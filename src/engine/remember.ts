import type { LinkFacts } from "../lib/facts.ts";
import type { LookContext } from "./context.ts";
import { memoryOf, networkKey } from "./networks.ts";

/**
 * Writes down which link a network's parent is now, when that is another one than remembered: it was made anew, or the
 * host was rebooted. Otherwise it would not be known again after a rename. The name stays, for MAC addresses are
 * derived from it.
 */
export async function remember(context: LookContext, owner: string, link: LinkFacts): Promise<void> {
  const { networks, queues, bootId } = context;
  const now = memoryOf(link, bootId);
  const isKnown = () => {
    const parent = networks.get(owner)?.parent;
    return !parent || Bun.deepEquals(parent, { ...now, name: parent.name });
  };
  if (isKnown()) return;
  await queues.run([networkKey(owner)], async () => {
    const record = networks.get(owner);
    if (record?.state !== "active" || isKnown()) return;
    // An index is of one boot; after a reboot there may be thousands to write down before anything is served.
    await networks.put({ ...record, parent: { ...now, name: record.parent.name } }, "normal");
  });
}
