import { describe, expect, test } from "bun:test";
import { FINDING } from "../../daemon/admin.fixture.ts";
import type { FindingBody } from "../../daemon/api.ts";
import { plain } from "../table.ts";
import { findingLines } from "./findings.ts";

const [FIRST, SECOND] = ["a".repeat(64), "b".repeat(64)];

function about(
  kind: FindingBody["subject"]["kind"],
  name: string,
  change: Partial<FindingBody> = {},
): FindingBody {
  return {
    ...FINDING,
    evidence: [],
    message: "it is odd",
    fix: [{ say: "mend it" }],
    subject: { kind, name },
    ...change,
  };
}

function shown(findings: readonly FindingBody[], id?: string): string[] {
  return findingLines(findings, plain, id)
    .split("\n")
    .slice(1, -1)
    .map((line) => line.trim());
}

describe("a finding says whom it is about", () => {
  test.each([
    ["network", `docker:${FIRST}`, ["network aaaaaaaaaaaa", "mend it"]],
    ["endpoint", `docker:${FIRST}/${SECOND}`, ["endpoint bbbbbbbbbbbb", "mend it"]],
    ["parent", "eth0", ["mend it"]],
  ] as const)("%s", (kind, name, lines) => {
    expect(shown([about(kind, name)])).toEqual([...lines]);
  });

  test("unless that is the network that is shown anyway", () => {
    expect(shown([about("network", `docker:${FIRST}`)], FIRST)).toEqual(["mend it"]);
  });
});

test("what is said of several is said once", () => {
  const two = [about("network", `docker:${FIRST}`), about("network", `docker:${SECOND}`)];
  expect(shown(two)).toEqual(["networks aaaaaaaaaaaa, bbbbbbbbbbbb", "mend it"]);
  const six = Array.from({ length: 6 }, (_, i) => about("network", `docker:${i}`));
  expect(shown(six)[0]).toBe("networks 0, 1, 2, 3 and 2 more");
});

test("a way out that is another for each is told for the first", () => {
  const other = about("network", `docker:${SECOND}`, { fix: [{ say: "mend it otherwise" }] });
  expect(shown([about("network", `docker:${FIRST}`), other])).toEqual([
    "networks aaaaaaaaaaaa, bbbbbbbbbbbb",
    "mend it",
    "that is for the first; for another: underlay network inspect NETWORK",
  ]);
});

test("a way out that several share is told once, after the first few of them", () => {
  const lost = Array.from({ length: 9 }, (_, i) =>
    about("endpoint", `docker:n/e${i}`, { message: `10.0.0.${i} has no container` }),
  );
  const lines = findingLines(lost, plain).trimEnd().split("\n");
  expect(lines.slice(0, 2)).toEqual(["fail  UL-P08  10.0.0.0 has no container", "      endpoint e0"]);
  expect(lines.slice(8)).toEqual(["      and 5 more like these: underlay status -o json", "      mend it"]);
});

test("the worst comes first", () => {
  const warn = about("parent", "eth0", { severity: "warn" });
  const fail = about("parent", "eth1", { message: "it is gone" });
  expect(findingLines([warn, fail], plain)).toStartWith("fail  UL-P08  it is gone\n");
});
