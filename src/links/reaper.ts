import { asUnderlayError, type UnderlayError } from "../lib/errors.ts";
import { OUR_LINK_GROUP } from "../lib/ifname.ts";
import type { Log } from "../lib/log.ts";
import type { Conversation, Outcome } from "../netlink/conversation.ts";
import { GONE, isErrno } from "../netlink/failure.ts";
import { deleteGroupRequest, deleteLinkRequest, listLinks, setLinkRequest } from "../netlink/link.ts";
import type { LinkWatch } from "./watch.ts";

/**
 * Deletes links of ours. Deleting costs the kernel a grace period of some 16 ms, whose end only the sender must
 * wait for: everybody else is done when RTM_DELLINK was seen. Deletes that come while one is under way wait together
 * and then go together, as a group.
 */
export interface Reaper {
  /** Resolves when the link of that name is gone from the netns; false when there was none. Throws `kernel`. */
  delete(name: string): Promise<boolean>;
  /** Resolves when no delete of that name is under way. */
  settled(name: string): Promise<void>;
  /** Resolves when nothing is under way, the kernel's wait included. */
  idle(): Promise<void>;
}

/** Links on their way out. Not the group of their birth: those stay. */
const DOOMED_GROUP = OUR_LINK_GROUP + 1;

interface Doomed {
  readonly name: string;
  readonly done: PromiseWithResolvers<boolean>;
}

export function linkReaper(conversation: Conversation, watch: LinkWatch, log: Log): Reaper {
  /** Wanted but not sent yet. */
  let waiting: Doomed[] = [];
  /** Wanted or sent, and not seen to be gone. */
  const pending = new Map<string, Doomed>();
  let sending: Promise<void> | undefined;

  watch.subscribe((event) => {
    if (event.kind === "gone") finish(event.name, true);
  });

  function finish(name: string, result: boolean | UnderlayError): void {
    const doomed = pending.get(name);
    if (!doomed) return;
    pending.delete(name);
    if (typeof result === "boolean") doomed.done.resolve(result);
    else doomed.done.reject(result);
  }

  function finishBy(name: string, outcome: Outcome | undefined): void {
    if (!outcome || outcome.ok) finish(name, true);
    else finish(name, isErrno(outcome.error, ...GONE) ? false : outcome.error);
  }

  async function sendAll(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        await sendBatch(batch.map(({ name }) => name));
      } catch (thrown) {
        for (const { name } of batch) finish(name, asUnderlayError(thrown));
      }
    }
    sending = undefined;
  }

  async function sendBatch(names: readonly string[]): Promise<void> {
    // The other end of a pair is often gone by now. Who is left alone needs no look at all links that there are.
    const there = names.length > 1 ? await gather(names) : names;
    if (there.length > 1 && (await isOursAlone(there))) {
      const [outcome] = await conversation.settle([deleteGroupRequest(DOOMED_GROUP)]);
      for (const name of there) finishBy(name, outcome);
      return;
    }
    for (const name of there) {
      const [outcome] = await conversation.settle([deleteLinkRequest({ name })]);
      finishBy(name, outcome);
    }
  }

  /** Puts the links into the doomed group; answers those that are there. */
  async function gather(names: readonly string[]): Promise<string[]> {
    const outcomes = await conversation.settle(
      names.map((name) => setLinkRequest({ name }, { group: DOOMED_GROUP })),
    );
    return names.filter((name, i) => {
      const outcome = outcomes[i];
      if (outcome?.ok) return true;
      finishBy(name, outcome);
      return false;
    });
  }

  /** False when a link is in the doomed group that nobody asked to delete. */
  async function isOursAlone(names: readonly string[]): Promise<boolean> {
    const asked = new Set(names);
    const doomed = await listLinks(conversation, { only: ["name"], inGroup: DOOMED_GROUP });
    const strangers = doomed.filter(({ attrs }) => !asked.has(attrs.name ?? ""));
    if (strangers.length === 0) return true;
    log("warn", "a link of somebody else is in our group; deleting one by one", {
      group: DOOMED_GROUP,
      link: strangers[0]?.attrs.name,
    });
    return false;
  }

  return {
    delete(name) {
      const known = pending.get(name);
      if (known) return known.done.promise;
      const doomed = { name, done: Promise.withResolvers<boolean>() };
      pending.set(name, doomed);
      waiting.push(doomed);
      sending ??= sendAll();
      return doomed.done.promise;
    },
    async settled(name) {
      await pending.get(name)?.done.promise.catch(() => undefined);
    },
    async idle() {
      await sending;
    },
  };
}
