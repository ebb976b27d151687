import { expect, test } from "bun:test";
import { manualClock } from "../../../lib/clock.fixture.ts";
import { UnderlayError } from "../../../lib/errors.ts";
import { parseIp } from "../../../lib/ip.ts";
import { silentLog } from "../../../lib/log.ts";
import { deriveMac } from "../../../lib/mac.ts";
import { type FakeBridge, fakeBridge } from "./bridge.fixture.ts";
import { type OwnedPort, portSecurity } from "./port-security.ts";

const address = parseIp("192.0.2.1");
const port = (owner: string, ofport: number): OwnedPort => ({
  owner,
  name: `ul-${ofport}`,
  ofport,
  mac: deriveMac(owner),
  addresses: address ? [address] : [],
});

function scene() {
  const bridges: Record<string, FakeBridge> = { br0: fakeBridge(), br1: fakeBridge() };
  const clock = manualClock();
  const security = portSecurity({
    ...{ rundir: "/run/openvswitch", clock, log: silentLog },
    open(bridge) {
      const known = bridges[bridge];
      if (known) return known.open();
      return Promise.reject(new UnderlayError("unreachable", `no bridge ${bridge}`));
    },
  });
  const counts = () => Object.values(bridges).map((bridge) => bridge.flows().length);
  for (const bridge of Object.values(bridges)) for (const n of [1, 2]) bridge.ports.set(`ul-${n}`, n);
  return { bridges, clock, security, counts };
}

test("each bridge has its own ports, and one number on two of them is two ports", async () => {
  const { security, counts } = scene();
  await security.secure("br0", port("a", 1));
  const [each = 0] = counts();
  expect(each).toBeGreaterThan(10);
  await security.secure("br1", port("b", 1), port("c", 2));
  expect(counts()).toEqual([each, 2 * each]);
  await security.release("br1", "b", "a");
  expect(counts()).toEqual([each, each]);
});

test("all bridges are mended, also behind one that cannot be", async () => {
  const { security, counts, bridges } = scene();
  await security.secure("br0", port("a", 1));
  await security.secure("br1", port("b", 1));
  const wanted = counts();
  expect(await security.repair()).toBe(0);
  bridges["br0"]?.crash();
  bridges["br1"]?.crash();
  if (bridges["br1"]) bridges["br1"].isUp = true;
  await expect(security.repair()).rejects.toThrow("nobody listens there");
  expect(counts()).toEqual([0, wanted[1] ?? 0]);
});

test("flows without an owner are collected, those of others' owners are not", async () => {
  const { security, counts, bridges } = scene();
  const former = portSecurity({
    ...{ rundir: "", clock: manualClock(), log: silentLog },
    open: () => bridges["br0"]?.open() ?? Promise.reject(new Error("no bridge")),
  });
  await former.secure("br0", port("cni", 1), port("gone", 2));
  former[Symbol.dispose]();
  const [two = 0] = counts();
  expect(await security.collect("br0", ["cni"])).toBe(1);
  expect(counts()).toEqual([two / 2, 0]);
});

test("release on a bridge that is gone is success, and one that is forgotten is not asked for any more", async () => {
  const { security, clock } = scene();
  await security.release("nobridge", "a");
  expect(await security.repair()).toBe(0);
  await security.secure("br0", port("a", 1));
  security.forget("br0");
  security.forget("br0");
  security[Symbol.dispose]();
  await new Promise<void>((resolve) => setImmediate(resolve));
  expect(clock.pending()).toBe(0);
});
