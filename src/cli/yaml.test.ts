import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { yamlOf } from "./yaml.ts";

test("blocks, with plain words as they are", () => {
  const body = {
    schema: "underlay.networks/v1",
    networks: [
      { id: "1758", subnets: [{ pool: "10.0.0.0/8", aux: {} }], mtu: null, healthy: true, gone: undefined },
      { id: "1759", subnets: [], mtu: 1500, findings: [["a"], []] },
    ],
  };
  expect(yamlOf(body)).toBe(`schema: underlay.networks/v1
networks:
  - id: "1758"
    subnets:
      - pool: "10.0.0.0/8"
        aux: {}
    mtu: null
    healthy: true
  - id: "1759"
    subnets: []
    mtu: 1500
    findings:
      - - a
      - []
`);
});

describe("what an old reader would take for something else is quoted:", () => {
  test.each([
    "no",
    "Off",
    "y",
    "NULL",
    "12:34:56:12:34:56",
    "2026-01-01T00:00:00Z",
    "1e3",
    "0x1f",
    "017",
    "",
  ])("%j", (word) => {
    expect(yamlOf({ is: word })).toBe(`is: ${JSON.stringify(word)}\n`);
    expect(yamlOf({ [word]: "is" })).toBe(`${JSON.stringify(word)}: is\n`);
  });
});

test("no control character is left as it is", () => {
  expect(yamlOf("\u001b[31m\u0085\u2028\u009b")).toBe('"\\u001b[31m\\u0085\\u2028\\u009b"\n');
});

test("another reader gets back whatever JSON can hold", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      expect(Bun.YAML.parse(yamlOf(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});
