import { expect, test } from "bun:test";
import fc from "fast-check";
import { findings } from "./judge.ts";
import { judged, link, parent } from "./judged.fixture.ts";
import { block, oneLine } from "./render.ts";
import { shellWord } from "./say.ts";

function portOf(master: string) {
  const facts = parent({
    link: link({ master: { ifindex: 9, name: master, kind: "bridge" } }),
    trial: EBUSY,
  });
  return findings(judged({ parent: facts, subnets: [] }));
}

const EBUSY = { outcome: "failed", errno: "EBUSY", text: "Device or resource busy" } as const;

test("a block says what is wrong, how it is known and what to do", () => {
  expect(portOf("br0").map((finding) => block(finding))).toEqual([
    [
      "✗ UL-P06  eth0 cannot carry macvlan: it is a port of bridge br0",
      "  seen    RTM_GETLINK IFLA_MASTER of eth0: br0 (kind bridge)",
      "          RTM_NEWLINK on eth0: EBUSY: Device or resource busy",
      "  do      use the bridge as parent: docker network create -d underlay-macvlan --ipam-driver null -o parent=br0 NAME",
      "          or take the link out of br0: ip link set dev eth0 nomaster",
    ].join("\n"),
  ]);
});

test("without Unicode the mark is a word", () => {
  expect(portOf("br0").map((finding) => block(finding, { ascii: true }).split(" ")[0])).toEqual(["FAIL"]);
});

test("a name with escape sequences and quotes harms neither terminal nor shell", () => {
  const [finding] = portOf("a\u001b[31m'$(x)");
  if (finding === undefined) throw new Error("UL-P06 does not hold");
  expect(oneLine(finding)).not.toContain("\u001b");
  expect(oneLine(finding)).toContain(`-o parent='a?[31m'\\''$(x)' NAME`);
});

test("one line stays one line, and a block keeps its number of lines, for any master name", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 15 }), (name) => {
      const [finding] = portOf(name);
      if (finding === undefined) throw new Error("UL-P06 does not hold");
      expect(oneLine(finding)).not.toMatch(/[\n\r\u2028]/);
      expect(block(finding).split(/[\n\r\u2028]/)).toHaveLength(5);
    }),
    { numRuns: 30 },
  );
});

test("the shell gives back every word as it was", () => {
  const words = ["eth0", "a b", "it's", "$(id)", "`id`", "a;b", "*", "\\", '"', "~"];
  const shell = Bun.spawnSync(["sh", "-c", `printf '%s\\n' ${words.map(shellWord).join(" ")}`]);
  expect(shell.stdout.toString().trimEnd().split("\n")).toEqual(words);
});
