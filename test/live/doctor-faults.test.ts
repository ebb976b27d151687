import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { CONDITIONS } from "../../src/conditions/registry.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { until } from "../ground/until.ts";
import { addLan, createNetwork, deleteNetwork, done, idOf } from "./docker-calls.ts";
import { ELSEWHERE, FAULTS, type Fault, NETWORK_FAULTS, NOT_HERE } from "./doctor-faults.ts";
import { type Diagnosis, makeDoctor } from "./doctor-run.ts";
import { makeLanWithNic } from "./judge.ts";
import type { Lan } from "./lan.ts";
import { type LoneDaemon, startLoneDaemon } from "./lone-daemon.ts";

/** A fault is made, and it is what the shipped program's doctor tells first. */

const statusOf = ({ checks }: Diagnosis, id: string) => checks.find((check) => check.id === id)?.status;

test("every condition's fault is made by a test, or it is written why none can", () => {
  const ids = [...FAULTS, ...NETWORK_FAULTS].map(({ id }) => id);
  const told = [...ids, ...Object.keys(ELSEWHERE), ...Object.keys(NOT_HERE)].sort();
  expect(told).toEqual(CONDITIONS.map(({ id }) => id).sort());
  for (const [id, file] of Object.entries(ELSEWHERE))
    expect([id, readFileSync(resolve(import.meta.dir, "../..", file), "utf8").includes(id)]).toEqual([
      id,
      true,
    ]);
  for (const why of Object.values(NOT_HERE)) {
    const [stand] = /src\/[\w./-]+$/.exec(why) ?? ["nothing"];
    expect([stand, existsSync(resolve(import.meta.dir, "../..", stand))]).toEqual([stand, true]);
  }
});

describe("with no daemon and no Docker:", () => {
  const doctor = makeDoctor();
  afterAll(() => doctor[Symbol.dispose]());
  let lan: Lan;
  beforeEach(() => {
    lan = makeLanWithNic();
  });
  afterEach(() => lan[Symbol.dispose]());

  const inject = ({ ip = [], sysctl = {} }: Fault) => {
    for (const words of ip) lan.ip(words.replace("$unreachable", lan.unreachable));
    for (const [name, value] of Object.entries(sysctl)) setSysctl(lan, name, value);
  };

  test.each(FAULTS)("$id is the first finding", (fault) => {
    const { id, link = "eth0", how = {}, needs } = fault;
    const healthy = doctor.diagnosis(lan.path, ["eth0"]).findings.map((finding) => finding.id);
    expect(healthy).not.toContain(id);
    if (needs !== undefined && !hasKind(needs)) {
      expect(() => inject(fault)).toThrow("Unknown device type");
      return;
    }
    inject(fault);
    const words = link === null ? [] : [link];
    const { findings } = doctor.diagnosis(lan.path, words, how);
    const severity = findings.find((finding) => finding.id === id)?.severity;
    // A remark comes after the warning that nobody serves Docker here.
    const [first] = severity === "info" ? findings.filter((one) => !healthy.includes(one.id)) : findings;
    expect(first?.id).toBe(id);
    const { code } = doctor.run(lan.path, words, how);
    expect(code).toBe(severity === "fail" ? 8 : 0);
    if (severity === "warn") expect(doctor.run(lan.path, [...words, "--fail-on=warn"], how).code).toBe(8);
  });

  test("UL-P15 ends with the filter", () => {
    const [bridged] = FAULTS.filter(({ id }) => id === "UL-P15");
    if (bridged === undefined) throw new Error("no such fault");
    inject(bridged);
    for (const name of ["iptables", "ip6tables", "arptables"])
      setSysctl(lan, `net.bridge.bridge-nf-call-${name}`, "0");
    expect(statusOf(doctor.diagnosis(lan.path, ["br0"]), "UL-P15")).toBe("ok");
  });

  test("UL-K09 leaves what needs no JIT to be checked", () => {
    const all = doctor.diagnosis(lan.path, [], { env: { BUN_JSC_useJIT: "0" } });
    expect([statusOf(all, "UL-P06"), statusOf(all, "UL-K07")]).toEqual(["skip", "ok"]);
  });

  /**
   * The table is the kernel's own, for all namespaces; its limit is told in the machine's namespace alone, so the
   * doctor looks from there, at no link. Lasting entries count for it, but take no room from others
   * (neigh_alloc of net/core/neighbour.c exempts them), and go with the namespace.
   */
  test("UL-S01 is the first finding about the host: a table that is filled from a namespace", () => {
    const source = "/proc/sys/net/ipv4/neigh/default/gc_thresh3";
    const look = () => doctor.diagnosis("/proc/self/ns/net", []);
    if (!existsSync(source)) {
      expect(statusOf(look(), "UL-S01")).toBe("skip");
      return;
    }
    expect(statusOf(look(), "UL-S01")).toBe("ok");
    const entries = Math.ceil(Number(readFileSync(source, "utf8")) * 0.75);
    const batch = Array.from(
      { length: entries },
      (_, i) => `neigh add 10.${i >> 16}.${(i >> 8) & 255}.${i & 255} lladdr 02:00:00:00:00:01 dev eth0`,
    );
    const { exitCode } = Bun.spawnSync(["nsenter", `--net=${lan.path}`, "ip", "-batch", "-"], {
      stdin: new TextEncoder().encode(`${batch.join("\n")}\n`),
    });
    expect(exitCode).toBe(0);
    const [first] = look().findings.filter(({ subject }) => subject.kind === "host");
    expect(first).toMatchObject({ id: "UL-S01", message: expect.stringContaining("is nearly full") });
  });

  function hasKind(kind: string): boolean {
    try {
      lan.ip(`link add probe0${kind === "ipvlan" ? " link eth0" : ""} type ${kind}`);
      lan.ip("link delete probe0");
      return true;
    } catch {
      return false;
    }
  }
});

describe("a network of the daemon's:", () => {
  const things = disposedAfterAll();
  let daemon: LoneDaemon;
  beforeAll(async () => {
    daemon = things.use(await startLoneDaemon(["--reconcile-interval=1h"]));
  });

  test.each(NETWORK_FAULTS)(
    "$id is the first finding",
    async ({ id, options, pool, before = [], after = [] }) => {
      using doctor = makeDoctor(daemon);
      const network = idOf(1);
      const firstOf = () => doctor.diagnosis(daemon.netns, ["lan0"]).findings[0]?.id;
      await addLan(daemon);
      try {
        for (const words of before) await daemon.ip(words);
        expect(firstOf()).not.toBe(id);
        await done(daemon, createNetwork(network, options, pool));
        for (const words of after) await daemon.ip(words);
        await until(`${id} is the first finding`, () => firstOf() === id);
      } finally {
        await done(daemon, deleteNetwork(network));
        await daemon.ip("link del lan0");
      }
    },
  );
});

function setSysctl(lan: Lan, name: string, value: string): void {
  const { exitCode } = Bun.spawnSync(["nsenter", `--net=${lan.path}`, "sysctl", "-w", `${name}=${value}`]);
  if (exitCode !== 0) throw new Error(`this kernel has no ${name}`);
}
