import { expect, test } from "bun:test";
import { mtuOf, overheadOf } from "./mtu.ts";
import { parseOvs } from "./spec.ts";

function spec(options: Record<string, string>) {
  const parsed = parseOvs(options, {}, { ipv6: false });
  if ("problems" in parsed) throw new Error("a value of the test itself does not parse");
  return parsed.spec;
}

const eth1 = (mtu: number) => ({ name: "eth1", mtu });
const tunnel = { vni: "1", peers: "192.0.2.1" };

test.each([
  ["a default that fits", {}, eth1(1500), 1450],
  ["a default that gives way", {}, eth1(1400), 1400],
  ["a default without a way out", {}, undefined, 1450],
  ["a default that leaves VXLAN its 50 bytes", tunnel, eth1(1480), 1430],
  ["as much as there is", { mtu: "1500" }, eth1(1500), 1500],
  ["as much as VXLAN leaves", { ...tunnel, mtu: "1450" }, eth1(1500), 1450],
] as const)("%s", (_, options, carrier, mtu) => {
  expect(mtuOf(spec(options), carrier)).toEqual({ mtu });
});

test("more than that is refused, with the sum", () => {
  expect(mtuOf(spec({ mtu: "1501" }), eth1(1500))).toEqual({
    problem: "mtu: 1501 is more than 1500: eth1 carries 1500",
  });
  expect(mtuOf(spec({ ...tunnel, mtu: "1451" }), eth1(1500))).toEqual({
    problem: "mtu: 1451 is more than 1450: eth1 carries 1500, of which VXLAN takes 50",
  });
});

test("overhead: none without tunnels, more over IPv6, four bytes for tags", () => {
  expect(overheadOf(spec({}))).toBe(0);
  expect(overheadOf(spec({ vni: "1", peers: "192.0.2.1,2001:db8::1" }))).toBe(70);
  expect(overheadOf(spec({ vni: "1" }), ["2001:db8::1"])).toBe(70);
  expect(overheadOf(spec({ ...tunnel, mode: "flat", trunks: "10" }))).toBe(54);
});
