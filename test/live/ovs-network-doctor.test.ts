import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { openTestNetns, testNetnsAt } from "../ground/netns.ts";
import { nft } from "../ground/nft.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import { until } from "../ground/until.ts";
import { idOf, statusOf } from "./docker-calls.ts";
import { type Diagnosis, type Doctor, makeDoctor } from "./doctor-run.ts";
import { type LoneDaemon, startLoneDaemon } from "./lone-daemon.ts";

/** What is wrong around networks of a switch, as the daemon's status and the shipped program's doctor tell it. */

const things = disposedAfterAll();
let lone: LoneDaemon;
let ovs: Switch;
let doctor: Doctor;

beforeAll(async () => {
  lone = things.use(await startLoneDaemon());
  ovs = things.use(await startSwitch({ age: "newest", netns: lone.netns }));
  await lone.stop();
  const settings = ["--reconcile-interval=1s", "--ovs-subnet=10.40.0.0/24"];
  await lone.start({ flags: [`--ovsdb=unix:${ovs.socket}`, ...settings] });
  doctor = makeDoctor(lone);
}, 600_000);
afterAll(() => doctor[Symbol.dispose]());

/** As dockerd has it made, with addresses of Docker's. */
async function network(n: number, options: Readonly<Record<string, string>>): Promise<void> {
  const answer = await fetch("http://plugin/NetworkDriver.CreateNetwork", {
    method: "POST",
    unix: join(lone.pluginDir, "underlay-ovs.sock"),
    keepalive: false,
    body: JSON.stringify({
      NetworkID: idOf(n),
      Options: { "com.docker.network.generic": { datapath: "netdev", ...options } },
      IPv4Data: [{ AddressSpace: "LocalDefault", Pool: `10.60.${n}.0/24`, Gateway: `10.60.${n}.1/24` }],
      IPv6Data: [],
    }),
  });
  expect([answer.status, await answer.text()]).toEqual([200, "{}"]);
}

type Found = Diagnosis["findings"][number];
const line = ({ id, severity, message }: Found) => `${severity} ${id} ${message}`;
const look = (...words: readonly string[]) =>
  doctor.diagnosis(lone.netns, words, { env: { UNDERLAY_OVSDB: `unix:${ovs.socket}` } });
/** Of the host, as the daemon looked last. */
const ofDaemon = async () => (await statusOf(lone)).host?.findings.map(line) ?? [];
const daemonTells = (text: string) =>
  until(`the daemon tells: ${text}`, async () => (await ofDaemon()).includes(text));
const daemonHasNo = (id: string) =>
  until(`the daemon tells no ${id}`, async () => !(await ofDaemon()).some((text) => text.includes(id)));

test("UL-O10: a firewall that drops what is forwarded, told first, and mended by what is told", async () => {
  await network(1, { bridge: "br7" });
  // With addresses of Docker's, which count more than those that were set.
  const [overridden] = lone.lines().filter((text) => text.includes("do not count"));
  expect(overridden).toMatch(/10\.40\.0\.0\/24 gateway 10\.40\.0\.1.*10\.60\.1\.0\/24 gateway 10\.60\.1\.1/);
  using host = testNetnsAt(lone.netns);
  const chain = "{ type filter hook forward priority 0 ; policy drop ; }";
  await nft(host, `add table inet mine ; add chain inet mine forward ${chain}`);
  const told = "fail UL-O10 chain inet mine forward drops what containers on br7 send";
  await daemonTells(told);
  const [first] = look().findings;
  expect([first && line(first), first?.confidence]).toEqual([told, "certain"]);
  for (const { run } of first?.fix ?? [])
    if (run !== undefined) await nft(host, ...run.replaceAll("'", "").split(" ").slice(1));
  expect(look().findings.filter(({ id }) => id === "UL-O10")).toEqual([]);
  expect(look().checks).toContainEqual(expect.objectContaining({ id: "UL-O10", status: "ok" }));
  await daemonHasNo("UL-O10");
  await nft(host, "delete table inet mine");
});

test("UL-O12: a flat bridge that nobody is reached by, until somebody puts a port on it", async () => {
  await network(2, { bridge: "br8", mode: "flat" });
  const told = "info UL-O12 bridge br8 has no uplink: its containers reach each other and nobody else";
  await daemonTells(told);
  expect((await lone.cli("status")).stdout).toMatch(/br8: networks 1, endpoints 0, no uplink$/m);
  const found = look().findings.find(({ id }) => id === "UL-O12");
  expect(found && line(found)).toBe(told);

  await lone.ip("link add nic0 type veth peer name nic1");
  await ovs.host.must((found?.fix[0]?.run ?? "false").replace("NIC", "nic0").split(" "));
  await daemonHasNo("UL-O12");
  expect(look().findings.filter(({ id }) => id === "UL-O12")).toEqual([]);
  expect((await lone.cli("status")).stdout).not.toContain("no uplink");
  const [begun, ended] = [`condition begins: ${told.slice(12)}`, `condition ended: ${told.slice(12)}`];
  const logged = lone.lines().filter((text) => text.includes("UL-O12"));
  expect(logged).toEqual([expect.stringContaining(begun), expect.stringContaining(ended)]);

  // Judged as what they are: no parents of a macvlan.
  const aboutMacvlan = (body: Diagnosis) =>
    body.checks.find(({ id }) => id === "UL-P06")?.reason?.replace(/^.*; /, "");
  const bridge = look("br8");
  expect(aboutMacvlan(bridge)).toBe("br8 is a bridge of Open vSwitch");
  expect(bridge.findings.map(line)).toContain(
    "info UL-O05 bridge br8 forwards in userspace, which is slower than in the kernel",
  );
  await lone.ip("link set nic0 up");
  await lone.ip("link set nic1 up");
  const ofLinks = (body: Diagnosis) => body.findings.filter(({ id }) => /^UL-[PI]/.test(id)).map(line);
  const nic = look("nic0");
  expect([aboutMacvlan(nic), ofLinks(nic)]).toEqual(["nic0 is a NIC on a bridge of Open vSwitch", []]);
  await lone.ip("link set nic1 down");
  expect(ofLinks(look("nic0"))).toEqual([
    "fail UL-P03 nic0 has no carrier: cable, switch port or the other end",
  ]);
  await lone.ip("link set nic0 down");
  expect(ofLinks(look("nic0"))).toEqual(["warn UL-P02 nic0 is down: no frame passes until it is up"]);
  // Another's bridge is looked at, too, when it is asked for.
  await ovs.vsctl("add-br", "br9", "--", "set", "bridge", "br9", "datapath_type=netdev");
  expect(look().findings.filter(({ subject: { name } }) => name === "br9")).toEqual([]);
  const [foreign] = look("br9").findings.filter(
    ({ subject: { name }, id }) => name === "br9" && id === "UL-O05",
  );
  expect(foreign?.severity).toBe("info");
  await ovs.vsctl("del-port", "nic0", "--", "del-br", "br9");
});

/**
 * The userspace datapath needs no socket for tunnels: what ovs-vswitchd says of the kernel's stands for that. Who has the
 * port is real.
 */
test("UL-O11: the UDP port of tunnels, and who has it: a program, a link here, one elsewhere", async () => {
  await ovs.vsctl(
    "--no-wait",
    "--",
    "add-port",
    "br7",
    "ult1",
    "--",
    "set",
    "interface",
    "ult1",
    "type=vxlan",
  );
  await ovs.vsctl("set", "interface", "ult1", "options:remote_ip=192.0.2.2", "options:key=7");
  const marks = ["owner=underlay", "network=docker:n1", "peer=192.0.2.2"].map(
    (mark) => `external_ids:${mark}`,
  );
  await ovs.vsctl("set", "port", "ult1", ...marks);
  const error = "could not add network device ult1 to ofproto (Address already in use)";
  const firstOf = () =>
    until("a tunnel that lacks its port is told of", async () => {
      // It says otherwise with each change of a link.
      await ovs.vsctl("--no-wait", "set", "interface", "ult1", `error="${error}"`);
      const [first] = look().findings;
      return first?.id === "UL-O11" && [line(first), first.fix[0]?.run];
    });
  const told = (who: string) =>
    `fail UL-O11 tunnels of bridge br7 cannot be made: UDP port 4789 is taken by ${who}`;
  const list = "ss --udp --listening --numeric --processes";

  const server = Bun.spawn(["nsenter", `--net=${lone.netns}`, "python3", "-uc", SERVE], {
    stdin: "pipe",
    stdout: "pipe",
  });
  try {
    await server.stdout.getReader().read();
    expect(await firstOf()).toEqual([told(`python3 (process ${server.pid})`), list]);
  } finally {
    server.stdin.end();
    await server.exited;
  }
  await lone.ip("link add vx0 type vxlan id 7 dstport 4789 dev lo");
  await lone.ip("link set vx0 up");
  expect(await firstOf()).toEqual([told("VXLAN link vx0"), "ip link delete dev vx0"]);
  using other = openTestNetns();
  await lone.ip(`link set vx0 netns /proc/${process.pid}/fd/${other.netns.fd}`);
  other.ip("link", "set", "vx0", "up");
  expect(await firstOf()).toEqual([told("another namespace's link"), undefined]);
  other.ip("link", "delete", "vx0");
  expect(await firstOf()).toEqual([told("another"), list]);
  await ovs.vsctl("del-port", "ult1");
  expect(look().findings.filter(({ id }) => id === "UL-O11")).toEqual([]);
}, 30_000);

const SERVE = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 4789))
print("bound")
sys.stdin.read()
`;
