import { expect, test } from "bun:test";
import { parseOvsEndpoint } from "./endpoint-spec.ts";

test("nothing said: as the network has it", () => {
  expect(parseOvsEndpoint({})).toEqual({ endpoint: { rates: {} } });
});

test.each([
  [{ vlan: "20" }, { vlans: { mode: "access", vlan: 20 }, rates: {} }],
  [{ trunks: "20-22" }, { vlans: { mode: "trunk", vlans: [20, 21, 22] }, rates: {} }],
  [
    { trunk: "20", native_vlan: "1" },
    { vlans: { mode: "trunk", vlans: [20], native: 1 }, rates: {} },
  ],
  [{ rx_rate: "10mbit" }, { rates: { rx: 10_000_000 } }],
  [{ tx_rate: "64kbit" }, { rates: { tx: 64_000 } }],
  [{ isolate: "false" }, { isolate: false, rates: {} }],
] as const)("%j", (options, endpoint) => {
  expect(parseOvsEndpoint(options)).toEqual({ endpoint });
});

test("all that is wrong at once, and a network's option is no endpoint's", () => {
  expect(parseOvsEndpoint({ vlan: "10", trunks: "20", rx_rate: "fast", vni: "1" })).toMatchObject({
    code: "invalid_option",
    problems: [{ subject: "vni" }, { subject: "rx_rate" }, { subject: "vlan" }],
  });
});
