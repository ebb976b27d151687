import { expect, test } from "bun:test";
import type { Finding } from "./condition.ts";
import { Phases } from "./phases.ts";

function finding(name: string, severity: Finding["severity"] = "fail"): Finding {
  const subject = { kind: "parent", name } as const;
  return {
    ...{ id: "UL-P01", title: "parent link does not exist", severity, confidence: "certain", subject },
    ...{ message: `no link is called ${name}`, evidence: [], fix: [] },
  };
}

function phases() {
  const said: string[] = [];
  return { said, phases: new Phases((level, message) => void said.push(`${level} ${message}`)) };
}

const BEGINS = "warn condition begins: no link is called eth9";
const ENDED = "info condition ended: no link is called eth9";

test("what several find is said once, and ends with the last of them", () => {
  const { said, phases: told } = phases();
  told.tell([
    ["a", [finding("eth9")]],
    ["b", [finding("eth9"), finding("eth9")]],
  ]);
  told.tell([["a", [finding("eth9")]]]);
  expect(said).toEqual([BEGINS]);
  told.tell([["a", []]]);
  expect(said).toEqual([BEGINS]);
  told.tell([["b", []]]);
  expect(said).toEqual([BEGINS, ENDED]);
  told.tell([["b", []]]);
  told.tell([["c", [finding("eth9", "info")]]]);
  expect(said.slice(2)).toEqual([BEGINS.replace("warn", "info")]);
});

test("what goes over from one source to another has not ended", () => {
  for (const sources of [
    ["a", "b"],
    ["b", "a"],
  ]) {
    const { said, phases: told } = phases();
    told.tell([["a", [finding("eth9")]]]);
    told.tell(sources.map((source) => [source, source === "b" ? [finding("eth9")] : []] as const));
    expect(said).toEqual([BEGINS]);
  }
});
