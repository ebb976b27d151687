import { beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { cookieOf } from "../../src/links/ovs/security/cookie.ts";
import { collect, compare, flowsOf, install } from "../../src/links/ovs/security/installed.ts";
import { portSecurity } from "../../src/links/ovs/security/port-security.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { until } from "../ground/until.ts";
import { ip, udp } from "./frames.ts";
import { FORGED, FRAMES, MARKER, toAll4 } from "./ovs-security-frames.ts";
import { type Scene, startScene } from "./ovs-security-scene.ts";

/** What becomes of the flows of a secured port when others change, delete and restart things. */

describe.each([...AGES])("guarded flows of the %s Open vSwitch", (age) => {
  const things = disposedAfterAll();
  let at: Scene;
  beforeAll(async () => {
    at = await startScene(age, things);
  }, 600_000);

  /** A switch that starts is not yet one that switches. */
  const passing = () => until("frames pass", () => at.stations[0].pings("-W1", "10.7.0.2"));

  test("flows of others stay, whatever is done", async () => {
    const theirs = async () => (await at.dump()).filter((line) => !line.includes("cookie=0x756e64"));
    await at.ovs.ofctl(
      "add-flow",
      "br0",
      "cookie=0x756e63ffffffffff,priority=50000,in_port=1,dl_type=0x88b5,actions=NORMAL",
    );
    await at.ovs.ofctl("add-flow", "br0", "cookie=0x1,table=7,priority=1,in_port=1,actions=drop");
    const before = await theirs();
    expect(before).toHaveLength(3);
    await at.guard.secure(at.secured);
    await at.guard.repair();
    await at.guard.collect();
    await at.guard.release(at.secured.cookie);
    expect(await at.dump()).toEqual(before);
    await at.guard.secure(at.secured);
    await at.ovs.ofctl("del-flows", "br0", "cookie=0x756e63ffffffffff/-1");
  });

  test("what was deleted or changed by hand is found, and mended", async () => {
    const wanted = await at.ours();
    await at.ovs.ofctl("del-flows", "br0", "in_port=1,ip");
    await at.ovs.ofctl(
      "add-flow",
      "br0",
      `cookie=${at.secured.cookie},priority=40100,in_port=1,actions=NORMAL`,
    );
    const { missing, strange } = await at.guard.check();
    expect([missing.length, strange.length]).toEqual([4, 1]);
    await at.guard.repair();
    expect(await at.ours()).toEqual(wanted);
  });

  test("ovs-vswitchd that is killed and started has it again, by itself", async () => {
    const wanted = await at.ours();
    at.said.length = 0;
    await at.ovs.killVswitchd();
    await at.ovs.startVswitchd();
    await until("it is secured again", () => at.said.some((line) => line.includes("on again")));
    expect(await at.ours()).toEqual(wanted);
    expect(at.said.filter((line) => !line.startsWith("debug"))).toEqual([
      "warn br0: port security is off until ovs-vswitchd is back",
      "info br0: port security is on again",
    ]);
    await passing();
    expect(at.lane.arrives(FORGED, MARKER)).toBeFalse();
  });

  test("a database that is killed and started changes nothing", async () => {
    const wanted = await at.ours();
    await at.ovs.killDatabase();
    // Until it is back, ovs-vswitchd answers nobody, and its userspace datapath hands on no frames.
    await at.ovs.startDatabase();
    expect(await at.guard.check()).toEqual({ missing: [], strange: [] });
    expect(await at.ours()).toEqual(wanted);
  });

  test("a port whose number changed while ovs-vswitchd was down is secured on the new one", async () => {
    await at.ovs.killVswitchd();
    await at.ovs.vsctl("--no-wait", "set", "Interface", "st1", "ofport_request=11");
    at.said.length = 0;
    await at.ovs.startVswitchd();
    await until("it is secured again", () => at.said.some((line) => line.includes("on again")));
    const number = Number(await at.ovs.vsctl("get", "Interface", "st1", "ofport"));
    expect((await at.ours()).every((line) => line.includes(`in_port=${number}`))).toBeTrue();
    await passing();
    expect(at.lane.arrives(FORGED, MARKER)).toBeFalse();
    await at.ovs.vsctl("set", "Interface", "st1", "ofport_request=1");
    const back = Number(await at.ovs.vsctl("get", "Interface", "st1", "ofport"));
    await at.guard.secure({ ...at.secured, ofport: back });
    expect((await at.ours()).every((line) => line.includes(`in_port=${back}`))).toBeTrue();
  });

  test("who gets a number that was another's gets nothing with it", async () => {
    await at.guard.release(at.secured.cookie);
    expect(await at.ours()).toEqual([]);
    await at.ovs.vsctl("del-port", "br0", "st1");
    await at.ovs.vsctl("add-port", "br0", "st1", "--", "set", "Interface", "st1", "ofport_request=1");
    expect(await at.ours()).toEqual([]);
    // Without the release, Open vSwitch keeps the flows; who is secured there next takes them away.
    await at.guard.secure(at.secured);
    await at.ovs.vsctl("del-port", "br0", "st1");
    expect(await at.ours()).not.toEqual([]);
    await at.ovs.vsctl("add-port", "br0", "st1", "--", "set", "Interface", "st1", "ofport_request=1");
    const next = { ...at.secured, addresses: [ip("10.7.0.9")], cookie: cookieOf("next") };
    await at.guard.secure(next);
    expect(
      (await at.ours()).filter((line) => !line.includes(`cookie=0x${next.cookie.toString(16)}`)),
    ).toEqual([]);
    await at.forgotten();
    for (const [name, , frame] of FRAMES.slice(0, 5)) {
      const marker = udp(toAll4, 68, 67);
      expect([name, at.lane.arrives(frame, marker)]).toEqual([name, false]);
    }
    await at.guard.release(at.secured.cookie, next.cookie);
    expect(await at.ours()).toEqual([]);
  });

  test("a bridge that speaks 1.3 alone is secured as well", async () => {
    await at.ovs.vsctl("set", "Bridge", "br0", "protocols=OpenFlow10,OpenFlow13");
    await at.guard.secure(at.secured);
    await at.forgotten();
    const wrong = FRAMES.filter(([, is, frame]) => at.lane.arrives(frame, MARKER) !== is).map(
      ([name]) => name,
    );
    expect(wrong).toEqual([]);
    await at.guard.release(at.secured.cookie);
    await at.ovs.vsctl("clear", "Bridge", "br0", "protocols");
  });

  test("200 ports are secured, compared, collected and kept in seconds", async () => {
    const many = Array.from({ length: 200 }, (_, i) => ({
      ...at.secured,
      name: `many${i}`,
      ofport: 1000 + i,
      cookie: cookieOf(`many${i}`),
    }));
    using alone = await at.open();
    const each = many.slice(0, 20);
    const started = performance.now();
    for (const port of each) await install(alone, [port]);
    const one = (performance.now() - started) / each.length;
    const before = performance.now();
    await install(alone, many);
    const rest = performance.now() - before;
    const flows = (await at.ours()).length;
    expect(flows).toBe(200 * flowsOf(at.secured).length);
    expect(await compare(alone, many)).toEqual({ missing: [], strange: [] });
    const keep = new Set(many.slice(100).map(({ cookie }) => cookie));
    expect((await collect(alone, keep)).length).toBe(100);
    expect((await at.ours()).length).toBe(flows / 2);
    await collect(alone, new Set());
    expect(one).toBeLessThan(100);
    expect(rest).toBeLessThan(5_000);
  });

  test("by owners, for the bridges of a run directory", async () => {
    const { addresses, mac, name, ofport } = at.secured;
    using security = portSecurity({ rundir: at.ovs.rundir, clock: systemClock, log: silentLog });
    await security.secure("br0", { owner: "docker:net/ep", name, ofport, mac, addresses });
    await security.secure("br0", { owner: "docker:net/other", name: "st2", ofport: 2, mac, addresses });
    expect(await at.ours()).toHaveLength(2 * flowsOf(at.secured).length);
    expect(await security.repair()).toBe(0);
    await security.release("br0", "docker:net/ep");
    expect((await at.ours()).every((line) => line.includes("in_port=2"))).toBeTrue();
    security.forget("br0");
    expect(await security.collect("br0", ["docker:net/other"])).toBe(0);
    expect(await security.collect("br0", [])).toBe(1);
    expect(await at.ours()).toEqual([]);
    await security.release("nobridge", "docker:net/ep");
    const elsewhere = security.secure("nobridge", { owner: "x", name, ofport, mac, addresses });
    await expect(elsewhere).rejects.toThrow("ovs-vswitchd does not run, or has no such bridge");
  });
});
