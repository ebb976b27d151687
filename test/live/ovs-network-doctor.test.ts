import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { testNetnsAt } from "../ground/netns.ts";
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
  await lone.start({ flags: [`--ovsdb=unix:${ovs.socket}`, "--reconcile-interval=1s"] });
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
