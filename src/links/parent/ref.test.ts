import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { missingParentError, type ParentRef, parseParent, readVlanName } from "./ref.ts";

function refOf(text: string): ParentRef {
  const reading = parseParent(text);
  if ("problem" in reading) throw new Error(reading.problem);
  return reading.value;
}

function problemOf(text: string): string | undefined {
  const reading = parseParent(text);
  return "problem" in reading ? reading.problem : undefined;
}

describe("a parent is read as", () => {
  const cases: readonly (readonly [string, ParentRef])[] = [
    ["eth0", { how: "name", name: "eth0" }],
    ["auto", { how: "auto" }],
    ["eth0.50", { how: "vlan", link: "eth0", vids: [50], name: "eth0.50" }],
    ["eth0.10.20", { how: "vlan", link: "eth0", vids: [10, 20], name: "eth0.10.20" }],
    ["br.lan.7", { how: "vlan", link: "br.lan", vids: [7], name: "br.lan.7" }],
    ["10.20", { how: "vlan", link: "10", vids: [20], name: "10.20" }],
    ["eth0.4094", { how: "vlan", link: "eth0", vids: [4094], name: "eth0.4094" }],
    ["enx001122334455.10", { how: "vlan", link: "enx001122334455", vids: [10], name: "enx001122334455.10" }],
    // May exist under that very name, so they are names until the kernel says otherwise.
    ["eth0.4095", { how: "name", name: "eth0.4095" }],
    ["eth0.", { how: "name", name: "eth0." }],
    ["eth0.foo", { how: "name", name: "eth0.foo" }],
    ["altname-of-more-than-fifteen-bytes", { how: "name", name: "altname-of-more-than-fifteen-bytes" }],
  ];
  test.each(cases)("%s", (text, ref) => {
    expect(refOf(text)).toEqual(ref);
  });
});

describe("a parent name that no kernel takes", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["", "a link name cannot be empty"],
    [".", '"." is not a link name'],
    ["a/b", 'link name "a/b" has a slash, colon, NUL or white space in it'],
    ["lo:10", 'link name "lo:10" has a slash, colon, NUL or white space in it'],
    ["a link whose name is long", '"a link whose name is long" has a slash, colon, NUL or white space in it'],
    ["x".repeat(128), `"${"x".repeat(64)}…" is longer than the 127 bytes of a link's altname`],
  ];
  test.each(cases)("%p", (text, message) => {
    expect(problemOf(text)).toBe(message);
  });
});

/** The rows of Docker's macvlan driver for a parent that does not exist. */
describe("no such link, and as a VLAN name", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["eth0.", '"" in "eth0." is no VLAN id; write it like eth0.10 for VLAN 10'],
    ["eth0.foo", '"foo" in "eth0.foo" is no VLAN id; write it like eth0.10 for VLAN 10'],
    ["eth0.10x", '"10x" in "eth0.10x" is no VLAN id; write it like eth0.10 for VLAN 10'],
    [".10", '".10" names no link before its VLAN id; write it like eth0.10'],
    ["a.1.2.3", '"a.1.2.3" has 3 VLAN ids; one (eth0.10) or two (eth0.10.20) can be stacked'],
    ["eth0.0", 'VLAN id must be 1 to 4094, "eth0.0" has 0'],
    ["eth0.4095", 'VLAN id must be 1 to 4094, "eth0.4095" has 4095'],
    ["eth0.99999", 'VLAN id must be 1 to 4094, "eth0.99999" has 99999'],
    ["eth0.010", 'VLAN id must be 1 to 4094, "eth0.010" has 010'],
    ["eth0.10.0", 'VLAN id must be 1 to 4094, "eth0.10.0" has 0'],
  ];
  test.each(cases)("%s", (text, message) => {
    const error = missingParentError(refOf(text));
    expect(error?.code).toBe("invalid_option");
    expect(error?.message).toBe(`no link is called ${text}, and as a VLAN: ${message}`);
    expect(error?.problems).toEqual([{ subject: "parent", message: error?.message ?? "" }]);
  });
});

test("a plain name, and what can be made, is left to those who know what it could be", () => {
  for (const text of ["eth9", "eth0.50", "auto"]) expect(missingParentError(refOf(text))).toBeUndefined();
  expect(missingParentError({ how: "dummy" })).toBeUndefined();
});

test("any text is a reference or one clear line, and a VLAN reading puts the name together again", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."eth0.1249/: \n"), maxLength: 24 }), (text) => {
      const reading = parseParent(text);
      if ("problem" in reading) return expect(reading.problem).not.toContain("\n");
      if (reading.value.how === "vlan") {
        expect([reading.value.link, ...reading.value.vids].join(".")).toBe(text);
        expect(readVlanName(text)).toEqual({ link: reading.value.link, vids: reading.value.vids });
      }
    }),
  );
});
