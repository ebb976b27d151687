import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../src/lib/clock.ts";
import { UnderlayError } from "../../src/lib/errors.ts";
import { ALL_BITS, type Flow, type FlowMod, formatFlow } from "../../src/openflow/flow-mod.ts";
import { DROP, NORMAL } from "../../src/openflow/instruction.ts";
import { OFP_VERSION, OFPP } from "../../src/openflow/numbers.ts";
import { type OpenFlowSwitch, openSwitch } from "../../src/openflow/switch.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import { until } from "../ground/until.ts";

/** Our client with a real bridge; what it did is asked of ovs-ofctl. */

const COOKIE = 0x7e57_0000_0000_0001n;
const flow = (priority: number, more: Partial<Flow> = {}): Flow => ({
  table: 0,
  priority,
  cookie: COOKIE,
  match: { inPort: 7 },
  instructions: NORMAL,
  ...more,
});
const add = (one: Flow): FlowMod => ({ do: "add", flow: one });

async function said(work: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await work;
  } catch (thrown) {
    if (thrown instanceof UnderlayError) return { code: thrown.code, message: thrown.message };
    throw thrown;
  }
  return { code: "none", message: "" };
}

describe.each([...AGES])("OpenFlow with a bridge of the %s Open vSwitch", (age) => {
  const things = disposedAfterAll();
  let ovs: Switch;
  const open = (bridge = "br0"): Promise<OpenFlowSwitch> =>
    openSwitch(`${ovs.rundir}/${bridge}.mgmt`, { bridge, clock: systemClock });
  /** What ovs-ofctl prints of the flows with our cookie, without counters. */
  const dumped = async () => {
    const text = await ovs.ofctl(
      "-O",
      "OpenFlow14",
      "--no-stats",
      "dump-flows",
      "br0",
      `cookie=${COOKIE}/-1`,
    );
    return text
      .split("\n")
      .flatMap((line) => (/cookie=/.test(line) ? [line.trim()] : []))
      .sort();
  };

  beforeAll(async () => {
    ovs = things.use(await startSwitch({ age }));
    await ovs.vsctl("add-br", "br0", "--", "set", "Bridge", "br0", "datapath_type=netdev");
  }, 600_000);
  afterEach(() => ovs.ofctl("-O", "OpenFlow13", "del-flows", "br0", `cookie=${COOKIE}/-1`));

  test("adds flows, reads them back, and takes away one by its row and the rest by cookie", async () => {
    using bridge = await open();
    expect(bridge.version).toBe(OFP_VERSION["1.4"]);
    const flows = [flow(10), flow(11, { instructions: DROP }), flow(12, { table: 3 })];
    await bridge.change("add three", flows.map(add));
    expect(await dumped()).toHaveLength(3);
    const read = await bridge.flows(COOKIE, ALL_BITS);
    expect(read.map(formatFlow).sort()).toEqual(flows.map(formatFlow).sort());
    await bridge.change("take one", [{ do: "delete strictly", flow: flow(10) }]);
    expect(await dumped()).toEqual([
      expect.stringMatching(/priority=11,in_port=7 actions=drop/),
      expect.stringMatching(/table=3, priority=12,in_port=7 actions=NORMAL/),
    ]);
    await bridge.change("take all", [{ do: "delete by cookie", cookie: COOKIE, mask: ALL_BITS }]);
    expect(await dumped()).toEqual([]);
    expect(await ovs.ofctl("--no-stats", "dump-flows", "br0")).toContain("actions=NORMAL");
  });

  test("takes away strictly only what has the same cookie", async () => {
    using bridge = await open();
    await bridge.change("add", [add(flow(10))]);
    const other = { ...flow(10), cookie: COOKIE + 1n };
    await bridge.change("take another's", [{ do: "delete strictly", flow: other }]);
    expect(await dumped()).toHaveLength(1);
  });

  test.each([
    [
      "a match without what it presupposes",
      flow(10, { match: { udpSrc: 67 } }),
      "kernel: br0: secure: a match was refused: a field without the one that it presupposes (OFPBMC_BAD_PREREQ)",
    ],
    [
      "a way back",
      flow(10, { table: 5, instructions: [{ do: "goto", table: 5 }] }),
      "kernel: br0: secure: an instruction was refused: a table that there is not, or that does not come later (OFPBIC_BAD_TABLE_ID)",
    ],
    [
      "an output to no port",
      flow(10, { instructions: [{ do: "apply", actions: [{ do: "output", port: OFPP.OFPP_ANY }] }] }),
      "kernel: br0: secure: an action was refused: a port that it cannot send to (OFPBAC_BAD_OUT_PORT)",
    ],
  ])("%s is refused in words, and nothing beside it comes to pass", async (_, bad, words) => {
    using bridge = await open();
    const { code, message } = await said(bridge.change("secure", [add(flow(20)), add(bad), add(flow(21))]));
    expect(`${code}: ${message}`).toBe(words);
    expect(await dumped()).toEqual([]);
    await bridge.change("go on", [add(flow(10))]);
    expect(await dumped()).toHaveLength(1);
  });

  test("thousands of flows come in many messages, and all are read", async () => {
    using bridge = await open();
    const flows = Array.from({ length: 5_000 }, (_, i) => flow(i, { match: { inPort: 7, ethType: 0x0800 } }));
    await bridge.change("add 5,000", flows.map(add));
    const read = await bridge.flows(COOKIE, ALL_BITS);
    expect(new Set(read.map(({ priority }) => priority)).size).toBe(5_000);
    await bridge.change("take all", [{ do: "delete by cookie", cookie: COOKIE, mask: ALL_BITS }]);
    expect(await bridge.flows(COOKIE, ALL_BITS)).toEqual([]);
  });

  test("a bridge of OpenFlow 1.3 alone is spoken to in that, one of 1.0 is told of", async () => {
    await ovs.vsctl("set", "Bridge", "br0", "protocols=OpenFlow10,OpenFlow13");
    {
      using bridge = await open();
      expect(bridge.version).toBe(OFP_VERSION["1.3"]);
      await bridge.change("add", [add(flow(10))]);
      expect((await bridge.flows(COOKIE, ALL_BITS)).map(formatFlow)).toEqual([formatFlow(flow(10))]);
      expect((await bridge.ports()).map(({ name, number }) => [name, number])).toEqual([
        ["br0", OFPP.OFPP_LOCAL],
      ]);
      const bad = flow(11, { match: { udpSrc: 67 } });
      expect((await said(bridge.change("secure", [add(bad)]))).message).toContain("OFPBMC_BAD_PREREQ");
    }
    await ovs.vsctl("set", "Bridge", "br0", "protocols=OpenFlow10");
    expect(await said(open())).toEqual({
      code: "unsupported",
      message: expect.stringContaining("ovs-vsctl set bridge br0 protocols=OpenFlow13,OpenFlow14"),
    });
    await ovs.vsctl("clear", "Bridge", "br0", "protocols");
  });

  test("ports are told with their numbers", async () => {
    using bridge = await open();
    await ovs.host.must(["ip", "link", "add", "ofp0", "type", "veth", "peer", "name", "ofp1"]);
    await ovs.vsctl("add-port", "br0", "ofp0", "--", "set", "Interface", "ofp0", "ofport_request=42");
    expect(await bridge.ports()).toContainEqual(expect.objectContaining({ name: "ofp0", number: 42 }));
    await ovs.vsctl("del-port", "ofp0");
    expect(await bridge.ports()).toHaveLength(1);
  });

  test("a bridge that there is not, and one that goes", async () => {
    expect(await said(open("nobridge"))).toEqual({
      code: "unreachable",
      message: expect.stringContaining("ovs-vswitchd does not run, or has no such bridge"),
    });
    await ovs.vsctl("add-br", "br1", "--", "set", "Bridge", "br1", "datapath_type=netdev");
    using bridge = await open("br1");
    await ovs.vsctl("del-br", "br1");
    expect((await bridge.lost).code).toBe("unreachable");
    expect((await said(bridge.ports())).code).toBe("unreachable");
  });

  test("ovs-vswitchd that is killed is noticed at once; its socket is then refused", async () => {
    using bridge = await open();
    await ovs.killVswitchd();
    expect((await bridge.lost).message).toContain("is lost: ");
    expect(await said(open())).toEqual({
      code: "unreachable",
      message: expect.stringContaining("ovs-vswitchd has ended"),
    });
    await ovs.startVswitchd();
    // It answers ovs-appctl before it has made its bridges.
    using again = await until("the bridge is back", () => open());
    expect(await again.ports()).toHaveLength(1);
  });
});
