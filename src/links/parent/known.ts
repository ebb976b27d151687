import type { LinkEvent, LinkWatch } from "../watch.ts";
import type { FoundParent, ParentMemory, Parents } from "./parents.ts";
import { nameAsked, type ParentRef } from "./ref.ts";

/**
 * The same parents, of which those that answer to their own name are kept until a link event speaks of them: a look
 * at the kernel would be a fifth of the start of an endpoint. Whoever wants certainty asks for the facts, which are
 * always read anew.
 */
export function knownParents(parents: Parents, watch: LinkWatch): Parents {
  const known = new Map<string, FoundParent>();
  /** Counts the events, so that what was read before one is not kept after it. */
  let events = 0;

  watch.subscribe((event) => {
    events++;
    if (event.kind === "overrun") known.clear();
    else hear(event);
  });

  function hear(event: Exclude<LinkEvent, { kind: "overrun" }>): void {
    for (const [name, parent] of known) {
      const isIt = parent.ifindex === event.ifindex;
      if (!isIt && name !== event.name) continue;
      if (isIt && name === event.name && event.kind === "changed")
        known.set(name, { ...parent, up: event.up });
      else known.delete(name);
    }
  }

  return {
    async find(ref: ParentRef, memory: ParentMemory) {
      const name = nameAsked(ref) ?? memory.name;
      const before = known.get(name);
      if (before) return before;
      const heard = events;
      const found = await parents.find(ref, memory);
      if (found?.name === name && heard === events) known.set(name, found);
      return found;
    },
    async facts(ref, memory, limits) {
      known.clear();
      return parents.facts(ref, memory, limits);
    },
    async atOnce() {
      known.clear();
      return parents.atOnce();
    },
    async bringUp(ifindex) {
      known.clear();
      return parents.bringUp(ifindex);
    },
  };
}
