import { describe, expect, test } from "bun:test";
import { manualClock } from "../../../lib/clock.fixture.ts";
import { UnderlayError } from "../../../lib/errors.ts";
import { parseIp } from "../../../lib/ip.ts";
import { deriveMac } from "../../../lib/mac.ts";
import { type Flow, formatFlow } from "../../../openflow/flow-mod.ts";
import { NORMAL } from "../../../openflow/instruction.ts";
import { fakeBridge } from "./bridge.fixture.ts";
import { cookieOf } from "./cookie.ts";
import type { SecuredPort } from "./flows.ts";
import { BridgeGuard, type GuardedPort } from "./guard.ts";
import { flowsOf } from "./installed.ts";

const port = (n: number, more: Partial<SecuredPort> = {}): GuardedPort & SecuredPort => {
  const address = parseIp(`192.0.2.${n}`);
  return {
    name: `ul-${n}`,
    ofport: n,
    mac: deriveMac(String(n)),
    addresses: address ? [address] : [],
    cookie: cookieOf(String(n)),
    ...more,
  };
};
const texts = (...ports: readonly GuardedPort[]) => ports.flatMap(flowsOf).map(formatFlow).sort();
const base: Flow = { table: 0, priority: 0, cookie: 0n, match: {}, instructions: NORMAL };

function scene() {
  const bridge = fakeBridge();
  const clock = manualClock();
  const said: string[] = [];
  const guard = new BridgeGuard({
    bridge: "br0",
    open: bridge.open,
    clock,
    log: (level, message) => said.push(`${level} ${message}`),
  });
  for (let n = 1; n <= 9; n++) bridge.ports.set(`ul-${n}`, n);
  /** Lets time go by, and what it sets going come to its end. */
  const pass = async (milliseconds: number) => {
    clock.pass(milliseconds);
    await settled();
  };
  return { bridge, clock, said, guard, pass };
}
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "none",
    (error: UnderlayError) => error.code,
  );

describe("securing a port", () => {
  test("installs its flows in one change, and once more changes nothing", async () => {
    const { bridge, guard } = scene();
    bridge.put(base);
    await guard.secure(port(1));
    expect(bridge.texts()).toEqual([...texts(port(1)), formatFlow(base)].sort());
    await guard.secure(port(1));
    expect(bridge.changes).toHaveLength(1);
    expect(await guard.check()).toEqual({ missing: [], strange: [] });
  });

  test("with other addresses, or on another number, leaves nothing of the former", async () => {
    const { bridge, guard } = scene();
    await guard.secure(port(1));
    const moved = port(1, { addresses: [], ofport: 7 });
    await guard.secure(moved);
    expect(bridge.texts()).toEqual(texts(moved));
  });

  test("takes what another endpoint left on the number", async () => {
    const { bridge, guard } = scene();
    const former = port(1);
    for (const flow of flowsOf(former)) bridge.put(flow);
    const now = port(2, { ofport: 1 });
    await guard.secure(now);
    expect(bridge.texts()).toEqual(texts(now));
  });

  test("does not take the place of another's flow", async () => {
    const { bridge, guard } = scene();
    const foreign = { ...base, priority: 40_000, match: { inPort: 1 }, cookie: 99n };
    bridge.put(foreign);
    expect(await codeOf(guard.secure(port(1)))).toBe("conflict");
    expect(bridge.texts()).toEqual([formatFlow(foreign)]);
  });

  test("that the bridge refuses, or that cannot be reached, is not guarded", async () => {
    const { bridge, guard, clock } = scene();
    bridge.refuse = () => new UnderlayError("kernel", "no");
    expect(await codeOf(guard.secure(port(1)))).toBe("kernel");
    bridge.refuse = () => undefined;
    bridge.crash();
    await settled();
    expect(await codeOf(guard.secure(port(1)))).toBe("unreachable");
    expect(clock.pending()).toBe(0);
    bridge.isUp = true;
    await guard.secure(port(2));
    expect(bridge.texts()).toEqual(texts(port(2)));
  });

  test("many of them goes in bounded changes", async () => {
    const { bridge, guard } = scene();
    const many = Array.from({ length: 200 }, (_, i) =>
      port(i % 200, { ofport: i + 1, cookie: cookieOf(`m${i}`) }),
    );
    await guard.secure(...many);
    expect(bridge.flows()).toHaveLength(many.flatMap(flowsOf).length);
    expect(Math.max(...bridge.changes)).toBeLessThanOrEqual(1_000);
  });
});

test("a tunnel is guarded as a port is", async () => {
  const { bridge, guard, pass } = scene();
  const address = parseIp("192.0.2.254");
  const gateway = { mac: deriveMac("gateway"), addresses: address ? [address] : [] };
  const tunnel = { name: "ul-3", ofport: 3, cookie: cookieOf("tunnel"), gateway };
  await guard.secure(port(1), tunnel);
  const wanted = texts(port(1), tunnel);
  expect(bridge.texts()).toEqual(wanted);
  bridge.crash();
  await settled();
  bridge.isUp = true;
  await pass(20);
  expect(bridge.texts()).toEqual(wanted);
  await guard.release(tunnel.cookie);
  expect(bridge.texts()).toEqual(texts(port(1)));
});

describe("releasing", () => {
  test("takes an endpoint's flows, no others, and is done when there are none", async () => {
    const { bridge, guard } = scene();
    bridge.put(base);
    await guard.secure(port(1));
    await guard.secure(port(2));
    await guard.release(port(1).cookie);
    await guard.release(port(1).cookie);
    expect(bridge.texts()).toEqual([...texts(port(2)), formatFlow(base)].sort());
  });

  test("while nobody is there is success, and is made good when the bridge is back", async () => {
    const { bridge, guard, pass } = scene();
    await guard.secure(port(1), port(2));
    bridge.crash();
    await settled();
    await guard.release(port(1).cookie);
    // As ovs-ctl restart does it.
    for (const flow of flowsOf(port(1))) bridge.put(flow);
    bridge.isUp = true;
    await pass(100);
    expect(bridge.texts()).toEqual(texts(port(2)));
  });

  test("that was owed is paid by the next call, without a port to guard", async () => {
    const { bridge, guard } = scene();
    for (const flow of flowsOf(port(1))) bridge.put(flow);
    bridge.isUp = false;
    await guard.release(port(1).cookie);
    bridge.isUp = true;
    await guard.repair();
    expect(bridge.texts()).toEqual([]);
  });

  test("that is refused throws, and is owed", async () => {
    const { bridge, guard } = scene();
    await guard.secure(port(1));
    bridge.refuse = () => new UnderlayError("timeout", "no answer");
    expect(await codeOf(guard.release(port(1).cookie))).toBe("timeout");
    bridge.refuse = () => undefined;
    await guard.repair();
    expect(bridge.texts()).toEqual([]);
  });
});

describe("a bridge that was lost", () => {
  test("is secured again as soon as it is back, with waits that double up to a fifth of a second", async () => {
    const { bridge, guard, said, clock, pass } = scene();
    await guard.secure(port(1), port(2));
    bridge.crash();
    await settled();
    for (const wait of [20, 40, 80, 160, 200, 200, 200]) {
      const { tries } = bridge;
      await pass(wait - 1);
      expect(bridge.tries).toBe(tries);
      await pass(1);
      expect(bridge.tries).toBe(tries + 1);
    }
    bridge.isUp = true;
    await pass(200);
    expect(bridge.texts()).toEqual(texts(port(1), port(2)));
    expect(clock.pending()).toBe(0);
    expect(said).toEqual([
      "warn br0: port security is off until ovs-vswitchd is back",
      "debug br0: not secured yet",
      "info br0: port security is on again",
    ]);
  });

  test("has its ports under their new numbers, and those that it has later, later", async () => {
    const { bridge, guard, pass } = scene();
    await guard.secure(port(1), port(2));
    bridge.crash();
    await settled();
    bridge.ports.set("ul-1", 8);
    bridge.ports.delete("ul-2");
    bridge.isUp = true;
    await pass(100);
    expect(bridge.texts()).toEqual(texts(port(1, { ofport: 8 })));
    bridge.ports.set("ul-2", 1);
    await pass(200);
    expect(bridge.texts()).toEqual(texts(port(1, { ofport: 8 }), port(2, { ofport: 1 })));
  });

  test("and lacks a port for good is asked for it ever less often", async () => {
    const { bridge, guard, clock, pass } = scene();
    await guard.secure(port(1), port(2));
    bridge.crash();
    await settled();
    bridge.ports.delete("ul-2");
    bridge.isUp = true;
    await pass(20);
    for (const wait of [200, 400, 800, 1_600, 3_200, 5_000, 5_000]) {
      const { asked } = bridge;
      await pass(wait);
      expect(bridge.asked).toBe(asked + 1);
    }
    await guard.release(port(2).cookie);
    await pass(5_000);
    expect(clock.pending()).toBe(0);
    expect(bridge.texts()).toEqual(texts(port(1)));
  });

  test("and is reached when the guard is gone is left", async () => {
    const { bridge, guard } = scene();
    const securing = codeOf(guard.secure(port(1)));
    guard[Symbol.dispose]();
    expect(await securing).toBe("unreachable");
    expect(bridge.texts()).toEqual([]);
  });

  test("is brought up to date before whoever reaches it first gets what it asked for", async () => {
    const { bridge, guard } = scene();
    await guard.secure(port(1));
    bridge.crash();
    await settled();
    bridge.isUp = true;
    await guard.secure(port(2));
    expect(bridge.texts()).toEqual(texts(port(1), port(2)));
  });

  test("that refuses the flows of one port has those of the others", async () => {
    const { bridge, guard, said, pass } = scene();
    await guard.secure(port(1), port(2), port(3));
    bridge.crash();
    await settled();
    const bad = port(2).cookie;
    bridge.refuse = (mods) =>
      mods.some((mod) => mod.do === "add" && mod.flow.cookie === bad)
        ? new UnderlayError("kernel", "no")
        : undefined;
    bridge.isUp = true;
    await pass(100);
    expect(bridge.texts()).toEqual(texts(port(1), port(3)));
    expect(said).toContain("error br0: ul-2 is not secured");
  });

  test("keeps its flows when only the connection went", async () => {
    const { bridge, guard, pass } = scene();
    await guard.secure(port(1));
    bridge.drop();
    await settled();
    await pass(100);
    expect(bridge.connections).toBe(2);
    expect(bridge.changes).toHaveLength(1);
  });

  test("is left alone when nothing is to be guarded, and after the guard is gone", async () => {
    const { bridge, guard, clock } = scene();
    await guard.secure(port(1));
    await guard.release(port(1).cookie);
    bridge.crash();
    await settled();
    expect(clock.pending()).toBe(0);
    bridge.isUp = true;
    await guard.secure(port(1));
    guard[Symbol.dispose]();
    await settled();
    expect(clock.pending()).toBe(0);
    expect(bridge.texts()).toEqual(texts(port(1)));
  });
});

describe("what somebody else did to the flows", () => {
  test("is found, and mended", async () => {
    const { bridge, guard } = scene();
    await guard.secure(port(1), port(2));
    const wanted = bridge.texts();
    const [drop, second] = flowsOf(port(1));
    if (!drop || !second) throw new Error("a port has flows");
    bridge.put({ ...drop, instructions: NORMAL });
    bridge.put({ ...second, match: { inPort: 1, ethType: 0x88cc } });
    const { missing, strange } = await guard.check();
    expect(missing.map(formatFlow)).toEqual([formatFlow(drop)]);
    expect(strange).toHaveLength(1);
    expect(await guard.repair()).toBe(2);
    expect(bridge.texts()).toEqual(wanted);
    expect(await guard.repair()).toBe(0);
  });

  test("in flows of theirs stays", async () => {
    const { bridge, guard } = scene();
    const theirs = [base, { ...base, priority: 50_000, match: { inPort: 1 }, cookie: 1n }];
    for (const flow of theirs) bridge.put(flow);
    await guard.secure(port(1));
    await guard.repair();
    await guard.collect();
    await guard.release(port(1).cookie);
    expect(bridge.texts()).toEqual(theirs.map(formatFlow).sort());
  });
});

test("flows of ours without an endpoint are collected; those that others keep are not", async () => {
  const { bridge, guard } = scene();
  for (const each of [port(3), port(4)]) for (const flow of flowsOf(each)) bridge.put(flow);
  await guard.secure(port(1));
  expect(await guard.collect([port(4).cookie])).toEqual([port(3).cookie]);
  expect(bridge.texts()).toEqual(texts(port(1), port(4)));
  expect(await guard.collect([port(4).cookie])).toEqual([]);
});
