import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import { until } from "../ground/until.ts";
import { idOf, statusOf } from "./docker-calls.ts";
import { type Diagnosis, makeDoctor } from "./doctor-run.ts";
import { startLoneDaemon } from "./lone-daemon.ts";

/** Faults of a real Open vSwitch, and what the shipped program's doctor says of each. */

describe.each([...AGES])("Open vSwitch, %s", (age) => {
  const things = disposedAfterAll();
  const doctor = makeDoctor();
  afterAll(() => doctor[Symbol.dispose]());
  let ovs: Switch;

  beforeAll(async () => {
    ovs = things.use(await startSwitch({ age }));
    await ovs.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev");
    await addPort("uln1", "internal");
  }, 600_000);

  /** One that bears our mark: the bridge is ours to judge. */
  const addPort = (name: string, type: string, bridge = "br0", ...flags: string[]) =>
    ovs.vsctl(
      ...[...flags, "--", "add-port", bridge, name, "--", "set", "interface", name, `type=${type}`],
      ...["--", "set", "port", name, "external_ids:owner=underlay", "external_ids:network=docker:n1"],
    );

  const look = (socket = ovs.socket): Diagnosis =>
    doctor.diagnosis(ovs.netns, [], { env: { UNDERLAY_OVSDB: `unix:${socket}` } });
  const told = (body = look()) =>
    body.findings
      .filter(({ id }) => id.startsWith("UL-O"))
      .map(({ id, severity, message }) => `${severity} ${id} ${message}`);
  const USERSPACE = "info UL-O05 bridge br0 forwards in userspace, which is slower than in the kernel";
  const statusOf = ({ checks }: Diagnosis, id: string) => checks.find((check) => check.id === id)?.status;

  test("that serves is told of only that it forwards in userspace, as this one has to", () => {
    const body = look();
    expect(told(body)).toEqual([USERSPACE]);
    for (const id of ["UL-O01", "UL-O02", "UL-O04", "UL-O09"]) expect(statusOf(body, id)).toBe("ok");
  });

  test("a host without it hears nothing of it", () => {
    const { checks } = look(`${ovs.rundir}/nobody.sock`);
    expect(checks.filter(({ id }) => id.startsWith("UL-O"))).toEqual([]);
  });

  test("UL-O09: managers and controllers that listen, and not on loopback; the way out is one", async () => {
    const fixes = () => look().findings.flatMap(({ id, fix }) => (id === "UL-O09" ? fix : []));
    await ovs.vsctl("set-manager", "ptcp:6640:127.0.0.1");
    expect(told()).toEqual([USERSPACE]);
    await ovs.vsctl("set-manager", "ptcp:6640", "tcp:127.0.0.1:6699");
    await ovs.vsctl("set-controller", "br0", "ptcp:6653");
    expect(told()).toEqual([
      "warn UL-O09 whoever reaches ptcp:6640 may change the switch, without a password",
      "warn UL-O09 whoever reaches ptcp:6653 may change the flows of br0, without a password",
      USERSPACE,
    ]);
    for (const { run } of fixes()) await ovs.host.must((run ?? "false").split(" "));
    expect(told()).toEqual([USERSPACE]);
    expect((await ovs.vsctl("get-manager")).split("\n")).toEqual([
      "ptcp:6640:127.0.0.1",
      "tcp:127.0.0.1:6699",
    ]);
    await ovs.vsctl("del-manager", "--", "del-controller", "br0");
  });

  test("UL-O04: secure without a controller; the way out is one", async () => {
    await ovs.vsctl("set-fail-mode", "br0", "secure");
    await ovs.ofctl("add-flow", "br0", "priority=1,actions=NORMAL");
    expect(told()[0]).toBe(
      "warn UL-O04 bridge br0 is secure without a controller: it forwards until its flows are lost",
    );
    await ovs.ofctl("del-flows", "br0");
    const [finding] = look().findings.filter(({ id }) => id === "UL-O04");
    expect(finding).toMatchObject({
      severity: "fail",
      confidence: "certain",
      message: "bridge br0 forwards nothing: it is secure, and no controller is connected",
    });
    await ovs.host.must((finding?.fix[0]?.run ?? "false").split(" "));
    expect(told()).toEqual([USERSPACE]);
    expect(await ovs.ofctl("dump-flows", "br0")).toContain("NORMAL");
  });

  test("UL-O05: a bridge that the kernel has no datapath for", async () => {
    await ovs.host.run(["ovs-vsctl", "--timeout=5", "add-br", "br2"]);
    await addPort("uln2", "internal", "br2", "--no-wait");
    const id = await ovs.vsctl("get", "bridge", "br2", "datapath_id");
    const broken = told().filter((line) => line !== USERSPACE);
    expect(broken).toEqual(id === "[]" ? ["fail UL-O05 bridge br2 does not work: it has no datapath"] : []);
    await ovs.vsctl("--no-wait", "del-br", "br2");
  });

  test("UL-O02: a port whose link is gone", async () => {
    await ovs.vsctl("--no-wait", "--", "add-port", "br0", "ulgone");
    await ovs.vsctl("set", "port", "ulgone", "external_ids:owner=underlay", "external_ids:network=docker:n1");
    await until("it is told", () => told().length === 2);
    expect(told()).toEqual(["warn UL-O02 port ulgone of bridge br0 does not work", USERSPACE]);
    await ovs.vsctl("del-port", "ulgone");
    expect(told()).toEqual([USERSPACE]);
  });

  test("UL-O01: ovs-vswitchd that was killed, and hangs; ovsdb-server that was killed", async () => {
    await ovs.killVswitchd();
    expect(told()).toEqual(["fail UL-O01 ovs-vswitchd does not run"]);
    // Of one that hangs the kernel takes connections, and nothing comes of them.
    await ovs.vsctl("--no-wait", "--", "set", "open_vswitch", ".", "next_cfg=1000000");
    const hung = createServer().listen(`${ovs.rundir}/ovs-vswitchd.99999.ctl`);
    await once(hung, "listening");
    expect(told()).toEqual(["fail UL-O01 ovs-vswitchd does not follow its database"]);
    hung.close();
    await ovs.startVswitchd();
    await until("it follows", () => !told().some((line) => line.includes("UL-O01")));

    await ovs.killDatabase();
    const body = look();
    // No network is on record here, so nobody is known to wait for it.
    expect(told(body)).toEqual(["warn UL-O01 ovsdb-server does not answer"]);
    for (const id of ["UL-O02", "UL-O04", "UL-O05", "UL-O09"]) expect(statusOf(body, id)).toBe("skip");
    await ovs.startDatabase();
    await until("it serves again", () => told().length === 1);
  }, 60_000);
});

test("a network on record: its daemon's status tells it too, and the doctor when no daemon runs", async () => {
  await using stack = new AsyncDisposableStack();
  const lone = stack.use(await startLoneDaemon());
  const ovs = stack.use(await startSwitch({ age: "newest", netns: lone.netns }));
  const flags = [`--ovsdb=unix:${ovs.socket}`, "--reconcile-interval=1s"];
  await lone.stop();
  await lone.start({ flags });
  const generic = { datapath: "netdev", bridge: "br7" };
  const create = await fetch("http://plugin/NetworkDriver.CreateNetwork", {
    method: "POST",
    unix: join(lone.pluginDir, "underlay-ovs.sock"),
    keepalive: false,
    body: JSON.stringify({
      NetworkID: idOf(1),
      Options: { "com.docker.network.generic": generic },
      IPv4Data: [{ AddressSpace: "LocalDefault", Pool: "10.60.0.0/24", Gateway: "10.60.0.1/24" }],
      IPv6Data: [],
    }),
  });
  expect([create.status, await create.text()]).toEqual([200, "{}"]);

  const GONE = "fail UL-O01 ovs-vswitchd does not run";
  const DEAD = "fail UL-O01 ovsdb-server does not answer";
  const line = ({ id, severity, message }: Diagnosis["findings"][number]) => `${severity} ${id} ${message}`;
  const ofDaemon = async () => (await statusOf(lone)).host?.findings.map(line) ?? [];
  await until("it has looked", async () => (await ofDaemon()).some((text) => text.includes("UL-O05")));
  expect(await ofDaemon()).not.toContain(GONE);
  await ovs.killVswitchd();
  await until("the daemon tells that it is gone", async () => (await ofDaemon()).includes(GONE));
  await ovs.killDatabase();
  // A pass that has begun waits for the database first.
  const limit = { withinMs: 30_000 };
  await until("the daemon tells that nobody answers", async () => (await ofDaemon()).includes(DEAD), limit);

  await lone.stop();
  using doctor = makeDoctor(lone);
  const env = { UNDERLAY_OVSDB: `unix:${ovs.socket}` };
  expect(doctor.diagnosis(lone.netns, [], { env }).findings.map(line)).toContain(DEAD);
  // A clean end takes the socket away; the record is left.
  const nowhere = { UNDERLAY_OVSDB: `unix:${ovs.rundir}/nobody.sock` };
  expect(doctor.diagnosis(lone.netns, [], { env: nowhere }).findings.map(line)).toContain(DEAD);
}, 60_000);
