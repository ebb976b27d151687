import { expect, test } from "bun:test";
import * as v from "valibot";
import { UnderlayError } from "../lib/errors.ts";
import type { BridgeView } from "../links/ovs/view.ts";
import { fakeEngine, INFO, NET_A } from "./admin.fixture.ts";
import { adminHandler } from "./admin.ts";
import { SCHEMAS } from "./api.ts";

/** What is told of a network on a switch, whose bridge is asked for. */
async function networkWith(bridge: () => Promise<BridgeView | undefined>) {
  const engine = fakeEngine();
  const list = () => engine.networks.list().map((network) => ({ ...network, kind: "ovs" }));
  const handler = adminHandler({ ...engine, networks: { ...engine.networks, list } }, { ...INFO, bridge });
  const response = await handler(new Request(`http://underlay/v1/networks/${NET_A}`));
  return v.parse(SCHEMAS["underlay.network/v1"], await response.json());
}

const counters = { rxBytes: 2n ** 63n, rxPackets: 1n, txBytes: 2_000_000_000n, txPackets: 1n };

test("its bridge, with counters of 64 bits", async () => {
  const port = { name: "one", trunks: [], isolated: false, tag: 10, counters, ids: { network: "docker:n1" } };
  const view: BridgeView = { name: "br0", datapath: "system", isOurs: false, ports: [port] };
  const { bridge } = await networkWith(async () => view);
  expect(bridge).toMatchObject({ name: "br0", datapath: "system", ours: false });
  expect(bridge?.ports).toMatchObject([
    { owner: "docker:n1", tag: 10, ofport: null, rx_bytes: "9223372036854775808", tx_bytes: "2000000000" },
  ]);
});

test("that there is none, or that nobody could be asked", async () => {
  expect((await networkWith(async () => undefined)).bridge).toBeNull();
  const silent = await networkWith(() => Promise.reject(new UnderlayError("unreachable", "no ovsdb-server")));
  expect([silent.bridge, silent.bridge_error]).toEqual([undefined, "no ovsdb-server"]);
});
