import { expect, test } from "bun:test";
import type { FoundMeaning } from "../../netlink/nft-meaning.ts";
import { endOf, type Forwarded } from "./forward-walk.ts";

type Chains = Readonly<Record<string, readonly Partial<FoundMeaning>[]>>;

/** How packets of br0 end in chain `base`, one way and the other. */
async function ends(base: readonly Partial<FoundMeaning>[], policy: "accept" | "drop", more: Chains = {}) {
  const chains: Chains = { base, ...more };
  const rulesOf = (chain: string) =>
    Promise.resolve((chains[chain] ?? []).map((rule) => ({ always: false, ...rule })));
  const way = async (direction: Forwarded["way"]) => {
    const end = await endOf({ link: "br0", way: direction }, "base", policy, { rulesOf });
    return end && `${end.by}${end.isAll ? "" : ", mostly"}`;
  };
  return [await way("from"), await way("to")];
}

const LATER = { later: true, verdict: "accept" } as const;
const DROPPED = ["policy drop", "policy drop"];
const PASSED = [undefined, undefined];

test.each<[string, readonly Partial<FoundMeaning>[], readonly (string | undefined)[]]>([
  ["nothing but the policy", [], DROPPED],
  ["answers alone, loopback, another link", [LATER, { in: "lo", verdict: "accept" }], DROPPED],
  [
    "a rule for each way",
    [
      { in: "br0", verdict: "accept" },
      { out: "br0", verdict: "accept" },
    ],
    PASSED,
  ],
  ["what goes out", [LATER, { in: "br0", verdict: "accept" }], [undefined, "policy drop"]],
  ["only between its own ports", [{ in: "br0", out: "br0", verdict: "accept" }], DROPPED],
  ["of another bridge", [{ in: "br1", verdict: "accept" }], ["policy drop", undefined]],
  ["everything to the uplink", [{ out: "eth0", verdict: "accept" }], [undefined, "policy drop"]],
  ["a set of links, or an address", [{ unread: true, verdict: "accept" }], PASSED],
  ["a map", [{ unread: true, verdict: "unread" }], PASSED],
  ["a protocol", [{ narrow: true, verdict: "accept" }], ["policy drop, mostly", undefined]],
  ["a protocol of this link", [{ in: "br0", narrow: true, verdict: "accept" }], [undefined, "policy drop"]],
])("with a policy that drops: %s", async (_, rules, expected) => {
  expect(await ends(rules, "drop")).toEqual([...expected]);
});

test("with a policy that accepts: a rule that ends all, and none that ends some", async () => {
  expect(await ends([{ in: "br0", verdict: "drop" }], "accept")).toEqual(["rule 1 of base: drop", undefined]);
  expect(await ends([{ narrow: true, verdict: "drop" }], "accept")).toEqual(PASSED);
  expect(await ends([{ unread: true, verdict: "drop" }], "accept")).toEqual(PASSED);
  expect(await ends([LATER, { always: true, verdict: "reject" }], "accept")).toEqual([
    "rule 2 of base: reject",
    "rule 2 of base: reject",
  ]);
});

test("chains are entered, come back from, and left for good by goto", async () => {
  const jump = { always: true, verdict: "jump", chain: "zones" } as const;
  const reject = { always: true, verdict: "reject" } as const;
  const zones = (zone: Partial<FoundMeaning>[]) => ({
    zones: [
      { in: "eth0", verdict: "goto", chain: "home" } as const,
      { ...jump, verdict: "goto" as const, chain: "rest" },
    ],
    home: [{ always: true, verdict: "accept" as const }],
    rest: zone,
  });
  const all = ["rule 1 of rest: reject", undefined];
  expect(await ends([jump, reject], "accept", zones([reject]))).toEqual(all);
  expect(await ends([jump, reject], "accept", zones([{ in: "br0", verdict: "accept" }]))).toEqual([
    undefined,
    undefined,
  ]);
  expect(await ends([jump, reject], "accept", zones([]))).toEqual(["rule 2 of base: reject", undefined]);
  expect(await ends([jump], "accept", zones([{ always: true, verdict: "return" }]))).toEqual(PASSED);
});
