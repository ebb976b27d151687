import { describe, expect, test } from "bun:test";
import { parseCidr } from "../../lib/ip.ts";
import { planBeside, type SeenFilter, type SeenRule } from "./beside-docker.ts";
import type { NatNetwork } from "./rules.ts";

/** Chain FORWARD and what leads there, as dockerd 20.10 and 28.5 make them, and as others have it. */

const subnet = parseCidr("10.1.0.0/24");
const network = (bridge: string): NatNetwork => ({
  id: `net-${bridge}`,
  bridge,
  subnets: subnet ? [subnet] : [],
  ports: [],
});

/** `FORWARD -o docker0 jump DOCKER`, `DOCKER-USER return`, with ` # comment` behind it. */
function rule(text: string, index: number): SeenRule {
  const [said = "", comment] = text.split(" # ");
  const [at = "", ...words] = said.split(" ");
  const after = (word: string) => (words.includes(word) ? words[words.indexOf(word) + 1] : undefined);
  const [from, out, jump] = [after("-i"), after("-o"), after("jump")];
  const verdict = (["accept", "drop", "return"] as const).find((word) => words.includes(word));
  return {
    at,
    handle: Uint8Array.of(index),
    always: from === undefined && out === undefined && !words.includes("some"),
    ...(from !== undefined && { in: from }),
    ...(out !== undefined && { out }),
    ...(verdict && { verdict }),
    ...(jump !== undefined && { verdict: "jump" as const, chain: jump }),
    ...(comment !== undefined && { comment }),
  };
}

function filter(
  policy: SeenFilter["policy"] | undefined,
  rules: readonly string[],
  more: string[] = [],
): SeenFilter {
  return {
    chains: ["FORWARD", ...more],
    ...(policy && { policy }),
    rules: rules.map(rule),
  };
}

const OLDEST = [
  "FORWARD jump DOCKER-USER",
  "FORWARD jump DOCKER-ISOLATION-STAGE-1",
  "FORWARD -o docker0 some accept",
  "FORWARD -o docker0 jump DOCKER",
  "FORWARD -i docker0 some accept",
  "FORWARD -i docker0 -o docker0 accept",
  "DOCKER-ISOLATION-STAGE-1 -i docker0 some jump DOCKER-ISOLATION-STAGE-2",
  "DOCKER-ISOLATION-STAGE-1 return",
  "DOCKER-ISOLATION-STAGE-2 -o br-b drop",
  "DOCKER-ISOLATION-STAGE-2 -o docker0 drop",
  "DOCKER-ISOLATION-STAGE-2 return",
  "DOCKER-USER return",
];
const NEWEST = [
  "FORWARD jump DOCKER-USER",
  "FORWARD jump DOCKER-FORWARD",
  "DOCKER -o docker0 some drop",
  "DOCKER-BRIDGE -o docker0 jump DOCKER",
  "DOCKER-FORWARD jump DOCKER-CT",
];

interface Planned {
  readonly remove: readonly (number | undefined)[];
  readonly add: readonly string[];
  readonly at?: string;
  readonly left?: string;
}

/** What a plan comes to, in words. */
function said(seen: SeenFilter, ...bridges: readonly string[]): Planned {
  const plan = planBeside(seen, bridges.map(network));
  const where = plan.before ? `before ${plan.before[0]}` : plan.first ? "first" : "last";
  return {
    remove: plan.remove.map(({ handle }) => handle[0]),
    add: plan.add.map(({ in: from, out, verdict }) =>
      [...(from ? ["-i", from] : []), ...(out ? ["-o", out] : []), verdict].join(" "),
    ),
    ...(plan.add.length > 0 && { at: `${plan.chain} ${where}` }),
    ...(plan.left && { left: plan.left }),
  };
}

const NOTHING: Planned = { remove: [], add: [] };
const OURS = ["-o br1 accept", "-i br1 accept"];

describe("what is put beside others' rules", () => {
  test.each<[string, SeenFilter, Planned]>([
    ["no chain", filter(undefined, []), NOTHING],
    ["a policy that lets pass", filter("accept", []), NOTHING],
    ["Docker's rules under such a policy", filter("accept", OLDEST), NOTHING],
    ["a policy that drops", filter("drop", []), { remove: [], add: OURS, at: "FORWARD first" }],
    [
      "a rule that may drop",
      filter("accept", ["FORWARD some accept", "FORWARD some"]),
      { remove: [], add: OURS, at: "FORWARD first" },
    ],
    [
      "Docker 20.10",
      filter("drop", OLDEST),
      {
        remove: [],
        add: ["-o br1 accept", "-i br1 -o br-b return", "-i br1 -o docker0 return", "-i br1 accept"],
        at: "DOCKER-USER before 11",
      },
    ],
    [
      "Docker 28",
      filter("drop", NEWEST),
      {
        remove: [],
        add: ["-o br1 accept", "-i br1 -o docker0 return", "-i br1 accept"],
        at: "DOCKER-USER last",
      },
    ],
    [
      "Docker's chain that nothing leads to",
      filter("drop", ["DOCKER-USER return"]),
      { remove: [], add: OURS, at: "FORWARD first" },
    ],
    ["ufw", filter("drop", [], ["ufw-before-forward"]), { ...NOTHING, left: "ufw" }],
    [
      "ufw and Docker",
      filter("drop", NEWEST, ["ufw-before-forward"]),
      {
        remove: [],
        add: ["-o br1 accept", "-i br1 -o docker0 return", "-i br1 accept"],
        at: "DOCKER-USER last",
      },
    ],
  ])("%s", (_, seen, expected) => {
    expect(said(seen, "br1")).toEqual(expected);
  });
});

describe("what is there already", () => {
  const own = (at: string) => [
    `${at} -o br1 accept # underlay: net-br1`,
    `${at} -i br1 accept # underlay: net-br1`,
  ];
  const beside = [
    "DOCKER-USER -o br1 accept # underlay: net-br1",
    "DOCKER-USER -i br1 -o docker0 return # underlay: net-br1",
    "DOCKER-USER -i br1 accept # underlay: net-br1",
  ];

  test.each<[string, SeenFilter, string[], Planned]>([
    ["is left", filter("drop", own("FORWARD")), ["br1"], NOTHING],
    [
      "is left behind what a person puts before it",
      filter("drop", ["FORWARD some drop", ...own("FORWARD")]),
      ["br1"],
      NOTHING,
    ],
    ["is left in Docker's chain", filter("drop", [...NEWEST, ...beside]), ["br1"], NOTHING],
    [
      "is left before the RETURN at its end",
      filter("drop", [...NEWEST, ...beside, "DOCKER-USER return"]),
      ["br1"],
      NOTHING,
    ],
    ["goes with the last network", filter("drop", own("FORWARD")), [], { remove: [0, 1], add: [] }],
    [
      "goes when nothing drops any more",
      filter("accept", own("FORWARD")),
      ["br1"],
      { remove: [0, 1], add: [] },
    ],
    [
      "is completed",
      filter("drop", own("FORWARD").slice(1)),
      ["br1"],
      { remove: [0], add: OURS, at: "FORWARD first" },
    ],
    [
      "of two networks",
      filter("drop", own("FORWARD")),
      ["br2", "br1"],
      { remove: [0, 1], add: [...OURS, "-o br2 accept", "-i br2 accept"], at: "FORWARD first" },
    ],
    [
      "moves to Docker's chain when there is one",
      filter("drop", [...own("FORWARD"), ...NEWEST]),
      ["br1"],
      {
        remove: [0, 1],
        add: ["-o br1 accept", "-i br1 -o docker0 return", "-i br1 accept"],
        at: "DOCKER-USER last",
      },
    ],
    [
      "makes room for what a person puts at the end of Docker's chain",
      filter("drop", [...NEWEST, ...beside, "DOCKER-USER some drop"]),
      ["br1"],
      {
        remove: [5, 6, 7],
        add: ["-o br1 accept", "-i br1 -o docker0 return", "-i br1 accept"],
        at: "DOCKER-USER last",
      },
    ],
  ])("%s", (_, seen, bridges, expected) => {
    expect(said(seen, ...bridges)).toEqual(expected);
  });
});
