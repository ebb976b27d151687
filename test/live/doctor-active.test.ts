import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { decodeArp } from "../../src/lib/arp.ts";
import { decodeEthernet } from "../../src/lib/ethernet.ts";
import { formatIp } from "../../src/lib/ip.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { openTestNetns, type TestNetns } from "../ground/netns.ts";
import { until } from "../ground/until.ts";
import { addLan, createNetwork, done, idOf } from "./docker-calls.ts";
import { type Diagnosis, diagnosisOf, makeDoctor, onMachine } from "./doctor-run.ts";
import { type LoneDaemon, startLoneDaemon } from "./lone-daemon.ts";
import { GATEWAY, makeSwitchedLan, type SwitchedLan } from "./switched-lan.ts";

/** `underlay doctor --active` of the shipped program: who asks, who is heard, and what is left. A daemon runs only in the last. */

const doctor = makeDoctor();
afterAll(() => doctor[Symbol.dispose]());

let lan: SwitchedLan;
let before: ReturnType<SwitchedLan["links"]>;
beforeEach(() => {
  lan = makeSwitchedLan();
  before = lan.links();
});
afterEach(() => {
  expect(lan.links()).toEqual(before);
  lan[Symbol.dispose]();
});

const ADDRESSED = ["addr add 192.168.9.5/24 dev eth0", `route add default via ${GATEWAY}`];
const ONLY_IPV6 = ["-6 route add default via fe80::1 dev eth0"];

const active = (words: readonly string[] = [], how = {}) =>
  doctor.diagnosis(lan.host.path, ["eth0", "--active", ...words], how);
const statusOf = ({ checks }: Diagnosis, id: string) => checks.find((check) => check.id === id)?.status;
const reasonOf = ({ checks }: Diagnosis, id: string) => checks.find((check) => check.id === id)?.reason;
const verdicts = ({ probes }: Diagnosis) => probes.map(({ verdict }) => verdict);

describe("a LAN that carries foreign MAC addresses", () => {
  test("is told so, and by whom the gateway was asked", () => {
    lan.at("host", ...ADDRESSED);
    const body = active();
    const [probe] = body.probes;
    const gateway = String(lan.gateway.ipJson("link", "show", "gw0")[0]?.["address"]);
    expect(probe).toMatchObject({ parent: "eth0", target: GATEWAY, verdict: "passes" });
    expect(probe?.own).toEqual({ mac: lan.mac, answered_by: gateway });
    expect([probe?.foreign.mac === lan.mac, probe?.foreign.answered_by]).toEqual([false, gateway]);
    expect([statusOf(body, "UL-P19"), statusOf(body, "UL-I02")]).toEqual(["ok", "ok"]);
    const { code, out, err } = doctor.run(lan.host.path, ["eth0", "--active"]);
    expect([code, err.split("\n").length]).toEqual([0, 2]);
    expect(err).toStartWith("underlay: sending frames by eth0: who has 192.168.9.1?");
    expect(out).toContain("asked 192.168.9.1 by eth0: foreign MAC addresses pass\n");
  });

  test("gets two ARP probes that claim no address, and nothing else by the foreign MAC", () => {
    lan.at("host", ...ADDRESSED);
    using wire = lan.listen();
    const foreign = active().probes[0]?.foreign.mac;
    const frames = wire.frames();
    const bySource = (mac: string | undefined) =>
      frames.filter((frame) => decodeEthernet(frame)?.source === mac);
    const probes = [lan.mac, foreign].map((mac) =>
      bySource(mac).flatMap((frame) => {
        const packet = decodeArp(frame);
        return packet
          ? [`${packet.operation} ${formatIp(packet.senderIp)} ${formatIp(packet.targetIp)}`]
          : [];
      }),
    );
    expect(probes).toEqual([[`request 0.0.0.0 ${GATEWAY}`], [`request 0.0.0.0 ${GATEWAY}`]]);
    expect(bySource(foreign).length).toBe(1);
  });

  test("by IPv6 gets two solicitations, where there is no other gateway", () => {
    lan.at("host", ...ONLY_IPV6);
    using wire = lan.listen();
    const body = active();
    expect(body.probes[0]).toMatchObject({ target: "fe80::1", verdict: "passes" });
    const foreign = body.probes[0]?.foreign.mac;
    const sent = wire.frames().filter((frame) => decodeEthernet(frame)?.source === foreign);
    // ICMPv6 type 135, after the two headers.
    expect(sent.map((frame) => frame[54])).toEqual([135]);
  });

  test("is asked of a neighbour that is named, when the parent has no address", () => {
    expect(lan.host.ip("-4", "addr", "show", "dev", "eth0")).toBe("");
    expect(verdicts(active(["--probe", GATEWAY]))).toEqual(["passes"]);
    expect(verdicts(active(["--probe", "fe80::1"]))).toEqual(["passes"]);
  });

  test("is asked without LINK by the link of the default route", () => {
    lan.at("host", ...ADDRESSED);
    expect(doctor.diagnosis(lan.host.path, ["--active"]).probes).toMatchObject([
      { parent: "eth0", verdict: "passes" },
    ]);
  });

  test("disproves what the machine's name made one guess", () => {
    lan.at("host", ...ADDRESSED);
    const how = { by: onMachine({ "/sys/class/dmi/id/sys_vendor": "QEMU" }) };
    expect(statusOf(doctor.diagnosis(lan.host.path, ["eth0"], how), "UL-H04")).toBe("warn");
    expect(statusOf(active([], how), "UL-H04")).toBe("ok");
  });
});

describe("a LAN that drops them is the first finding, UL-P19:", () => {
  const GUARDS = ["dropForeignSources", "dropForeignDestinations"] as const;
  test.each([
    ...GUARDS.map((guard) => [guard, GATEWAY, ADDRESSED] as const),
    ...GUARDS.map((guard) => [guard, "fe80::1", ONLY_IPV6] as const),
  ])("%s, asked by %s", (guard, target, set) => {
    lan.at("host", ...set);
    lan[guard]();
    const { findings, probes } = active();
    expect(probes).toMatchObject([{ target, verdict: "dropped", foreign: { answered_by: null } }]);
    expect(findings[0]).toMatchObject({
      id: "UL-P19",
      confidence: "certain",
      message: "foreign MACs are dropped upstream of eth0: containers on it are not heard",
    });
    expect(findings.map(({ id }) => id)).not.toContain("UL-I02");
  });

  test("it fails, and makes certain what was a guess about the machine", () => {
    lan.at("host", ...ADDRESSED);
    lan.dropForeignSources();
    const how = { by: onMachine({ "/sys/class/dmi/id/sys_vendor": "QEMU" }) };
    const { findings } = active([], how);
    expect(findings.slice(0, 1).map(({ id }) => id)).toEqual(["UL-P19"]);
    expect(findings.find(({ id }) => id === "UL-H04")?.confidence).toBe("certain");
    expect(doctor.run(lan.host.path, ["eth0", "--active"]).code).toBe(8);
  });
});

describe("a gateway that says nothing says nothing of MAC addresses:", () => {
  test("it is down, UL-I02", () => {
    lan.at("host", ...ADDRESSED);
    lan.at("gateway", `addr del ${GATEWAY}/24 dev gw0`);
    const body = active();
    expect([verdicts(body), body.findings[0]?.id, statusOf(body, "UL-P19")]).toEqual([
      ["silent"],
      "UL-I02",
      "skip",
    ]);
    expect(reasonOf(body, "UL-P19")).toBe("192.168.9.1 answered to no MAC address");
  });

  test("a container on the same parent is none: it is not heard over the wire", () => {
    using container = openTestNetns();
    lan.at("host", `link add mv0 link eth0 netns ${container.path} type macvlan mode bridge`);
    container.ip("addr", "add", "192.168.9.77/24", "dev", "mv0");
    container.ip("link", "set", "mv0", "up");
    expect(verdicts(active(["--probe", "192.168.9.77"]))).toEqual(["silent"]);
    container.ip("link", "del", "mv0");
  });

  test("it answers only those who have an address, which is a warning", async () => {
    lan.at("host", ...ADDRESSED);
    const { argv, env } = doctor.command(lan.host.path, ["eth0", "--active", "-o", "json"]);
    const asking = Bun.spawn(argv, { env, stdout: "pipe", stderr: "ignore" });
    const body = diagnosisOf(await lan.answerThoseWithAddress(asking.stdout.text()));
    expect([verdicts(body), statusOf(body, "UL-I02"), statusOf(body, "UL-P19")]).toEqual([
      ["unproven"],
      "warn",
      "skip",
    ]);
  });
});

describe("nothing is sent,", () => {
  test.each([
    ["there is no gateway", [], [], "no default route goes through eth0"],
    ["the parent is down", ["link set eth0 down"], ["--probe", GATEWAY], "UL-P02 eth0 is down"],
    [
      "it is a port of a bridge",
      ["link add br0 type bridge", "link set eth0 master br0"],
      ["--probe", GATEWAY],
      "UL-P06 eth0 cannot carry macvlan: it is a port of bridge br0",
    ],
    [
      "a passthru link has it",
      ["link add mv0 link eth0 type macvlan mode passthru"],
      ["--probe", GATEWAY],
      "UL-P08",
    ],
  ] as const)("and it is told why: %s", (_, faults, words, reason) => {
    lan.at("host", ...faults);
    before = lan.links();
    using wire = lan.listen();
    const body = active(words);
    expect(body.probes).toEqual([]);
    for (const id of ["UL-P19", "UL-I02"]) expect(reasonOf(body, id)).toStartWith(reason);
    expect(wire.frames().filter((frame) => decodeArp(frame) !== undefined)).toEqual([]);
    const { err } = doctor.run(lan.host.path, ["eth0", "--active", ...words]);
    expect(err).toStartWith(`underlay: nothing was sent by eth0: ${reason}`);
  });

  test("without --active, and it is told how it would be", () => {
    lan.at("host", ...ADDRESSED);
    using wire = lan.listen();
    const body = doctor.diagnosis(lan.host.path, ["eth0"]);
    expect(reasonOf(body, "UL-P19")).toContain("underlay doctor eth0 --active");
    expect(wire.frames().filter((frame) => decodeArp(frame) !== undefined)).toEqual([]);
  });

  test("at the parent itself", () => {
    lan.at("host", ...ADDRESSED);
    const { code, err } = doctor.run(lan.host.path, ["eth0", "--active", "--probe", "192.168.9.5"]);
    expect([code, err]).toEqual([2, "underlay: --probe: 192.168.9.5 is an address of eth0 itself\n"]);
  });
});

describe("who may not is told so in one line, and exit 6:", () => {
  const NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const without = (capability: string) => ["setpriv", `--bounding-set=-${capability}`, "--inh-caps=-all"];
  const REFUSED = "underlay: --active sends frames and makes a macvlan for a moment: run as root, with ";

  test.each([
    ["a user", NOBODY],
    ["root without CAP_NET_RAW", without("net_raw")],
    ["root without CAP_NET_ADMIN", without("net_admin")],
    ["root without CAP_SYS_ADMIN", without("sys_admin")],
  ])("%s", (_, by) => {
    lan.at("host", ...ADDRESSED);
    using wire = lan.listen();
    const { code, out, err } = doctor.run(lan.host.path, ["eth0", "--active"], { by });
    expect([code, out, err.trimEnd().split("\n").length]).toEqual([6, "", 1]);
    expect(err).toStartWith(REFUSED);
    expect(wire.frames().filter((frame) => decodeArp(frame) !== undefined)).toEqual([]);
    const json = doctor.run(lan.host.path, ["eth0", "--active", "-o", "json"], { by });
    expect([json.code, json.out, JSON.parse(json.err).error.code]).toEqual([6, "", "permission"]);
  });

  test("but without --active a doctor without CAP_NET_ADMIN goes as far as it can", () => {
    const body = doctor.diagnosis(lan.host.path, ["eth0"], { by: without("net_admin") });
    expect([body.findings[0]?.id, statusOf(body, "UL-K10")]).toEqual(["UL-K07", "skip"]);
  });
});

describe("nothing is left when it ends in the middle:", () => {
  test.each(["SIGINT", "SIGTERM", "SIGKILL"] as const)("%s", async (signal) => {
    lan.at("host", ...ADDRESSED);
    lan.at("gateway", "link set gw0 down");
    const { argv, env } = doctor.command(lan.host.path, ["eth0", "--active"]);
    const asking = Bun.spawn(argv, { env, stdout: "ignore", stderr: "pipe" });
    const { value: notice = new Uint8Array() } = await asking.stderr.getReader().read();
    expect(Buffer.from(notice).toString()).toContain("sending frames by eth0");
    expect(lan.links()).not.toEqual(before);
    asking.kill(signal);
    await asking.exited;
    expect(asking.signalCode).toBe(signal);
    // The kernel takes the namespace apart in its own time.
    await until("the parent hears only itself again", () => Bun.deepEquals(lan.links(), before));
  });
});

describe("of a daemon's networks, without LINK,", () => {
  const things = disposedAfterAll();
  let daemon: LoneDaemon;
  let gateway: TestNetns;
  beforeAll(async () => {
    daemon = things.use(await startLoneDaemon(["--reconcile-interval=1h"]));
    gateway = things.use(openTestNetns());
    await addLan(daemon);
    await daemon.ip(`link set lan1 netns ${gateway.path}`);
    gateway.ip("link", "set", "lan1", "up");
    await done(daemon, createNetwork(idOf(1)));
  });
  const ask = () => {
    using asking = makeDoctor(daemon);
    return asking.diagnosis(daemon.netns, ["--active"]);
  };

  test("the parent is asked for the network's gateway, and a silent one is found", () => {
    const body = ask();
    expect(body.probes).toMatchObject([{ parent: "lan0", target: "10.60.0.1", verdict: "silent" }]);
    expect(body.findings[0]).toMatchObject({ id: "UL-I02", subject: { kind: "parent", name: "lan0" } });
  });

  test("one that answers is not", () => {
    gateway.ip("addr", "add", "10.60.0.1/16", "dev", "lan1");
    expect(verdicts(ask())).toEqual(["passes"]);
  });
});
