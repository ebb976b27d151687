import { describe, expect, test } from "bun:test";
import type { Box } from "./contract/box.ts";
import { ROWS } from "./contract/rows.ts";
import { contractScene, type Scene } from "./contract/scene.ts";
import type { Given, Sequel, Verb } from "./contract/subject.ts";

/**
 * The program dies at every step of every verb, whichever driver it is and whoever speaks to it; and what may be said to
 * the next one. After each test all is taken away, and nothing may be left: see the scene.
 */

const VERBS: readonly Verb[] = ["attach", "detach", "close"];

type Told = Readonly<
  Record<Sequel, readonly [words: string, (scene: Scene, box: Box, verb: Verb) => Promise<void>]>
>;

const SEQUELS: Told = {
  again: [
    "and again: it is done as if nothing had been",
    async ({ subject, box, attached, detach, traces }, first, verb) => {
      if (verb === "close") return subject.close();
      if (verb === "detach") await detach(first);
      const given = verb === "attach" && (await attached(first));
      const another = await attached(await box());
      if (!given) return;
      // An address that was reserved by the dead is its owner's.
      expect(another.addresses.filter((address) => given.addresses.includes(address))).toEqual([]);
      // Rules and reservations as well are there once.
      const all = await traces();
      expect(about(given, all)).toBe(about(another, all));
    },
  ],
  attached: ["and attached: a link that works", async ({ attached }, first) => void (await attached(first))],
  removed: ["and taken away: nothing is left", ({ detach }, first) => detach(first)],
  "removed when it is gone": [
    "and taken away when its container is gone: nothing is left",
    async ({ detach }, first) => {
      await first.vanish();
      await detach(first);
    },
  ],
  next: [
    "and given up: the next one is served, and what was left goes",
    async ({ subject, box, attached, detach, traces, expectWhole }, first) => {
      const other = await box();
      const given = await attached(other, { inPlaceOf: first });
      if (subject.sweep) await subject.sweep([other]);
      // Who has its address now has taken the place of the dead.
      expect(endsIn(await traces()).size).toBeLessThanOrEqual(1);
      if (!subject.sweep) await detach(first);
      expect(endsIn(await traces()).size).toBeLessThanOrEqual(1);
      await expectWhole(other, given);
    },
  ],
};

/** Names of what attachments have on the host. */
function endsIn(traces: readonly string[]): Set<string> {
  return new Set(traces.flatMap((trace) => /^(?:link|row) "?((?:ul|veth)[^"]*)/.exec(trace)?.[1] ?? []));
}

/** How many traces are of one that is attached. */
function about({ addresses, mac }: Given, traces: readonly string[]): number {
  const its = [mac, ...addresses.map((address) => address.replace(/\/.*/, ""))];
  const mention = new RegExp(its.map((each) => `\\b${each}(?![\\w.:])`).join("|"));
  return traces.filter((trace) => mention.test(trace)).length;
}

describe.each(ROWS.filter(({ steps }) => steps.attach.length > 0))("$name", (row) => {
  const now = contractScene(row);
  for (const verb of VERBS)
    for (const sequel of row.sequels[verb]) {
      const [words, follow] = SEQUELS[sequel];
      test.each([...row.steps[verb]])(`${verb} killed at %s, ${words}`, async (step) => {
        const first = await now().box();
        await now().killed(step, verb, first);
        await follow(now(), first, verb);
      });
    }
});
