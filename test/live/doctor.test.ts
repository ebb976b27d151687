import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as v from "valibot";
import { type Body, SCHEMAS } from "../../src/daemon/api.ts";
import { until } from "../ground/until.ts";
import { makeDoctor, PROGRAM, type Run } from "./doctor-run.ts";
import { makeLanWithNic } from "./judge.ts";
import type { Lan } from "./lan.ts";

/** The shipped program's doctor in a namespace: what it finds with little, and what it leaves alone. */

const doctor = makeDoctor();
const root = doctor.folder;
afterAll(() => doctor[Symbol.dispose]());

let lan: Lan;

beforeEach(() => {
  lan = makeLanWithNic();
});

afterEach(() => lan[Symbol.dispose]());

const FLAGS = ["state-dir", "run-dir", "plugin-dir", "docker-socket"].map(
  (name) => `--${name}=${root}/${name}`,
);

const run = (words: readonly string[], how?: Run) => doctor.run(lan.path, words, how);
const diagnosis = (words: readonly string[], how?: Run) => doctor.diagnosis(lan.path, words, how);
const statusOf = ({ checks }: Body<"underlay.doctor/v1">, id: string) =>
  checks.find((check) => check.id === id)?.status;

describe("on a healthy parent", () => {
  test("it finds nothing, changes nothing and sends nothing", () => {
    // The kernel's own neighbour discovery would send.
    Bun.spawnSync(["nsenter", `--net=${lan.path}`, "sysctl", "-w", "net.ipv6.conf.all.disable_ipv6=1"]);
    const state = () => [lan.links(), JSON.parse(lan.ip("-j -s link show dev eth0"))[0].stats64.tx.packets];
    const before = state();
    const { counts, parents } = diagnosis(["eth0"]);
    expect([counts.fail, parents]).toEqual([0, ["eth0"]]);
    expect(run(["eth0"]).code).toBe(0);
    expect(state()).toEqual(before);
  });

  test("without LINK it looks at the link of the default route, if there is one", () => {
    expect(diagnosis([]).parents).toEqual([]);
    lan.ip("addr add 192.168.9.5/24 dev eth0");
    lan.ip("route add default via 192.168.9.1");
    expect(diagnosis([]).parents).toEqual(["eth0"]);
  });

  test("the kernel is asked which kinds it has", () => {
    const made = (kind: string) => {
      try {
        lan.ip(`link add probe0 link eth0 type ${kind}`);
        lan.ip("link delete probe0");
        return true;
      } catch {
        return false;
      }
    };
    // Which modules there are is the machine's, so a kind cannot be taken away: what it lacks is what is told.
    const { findings } = diagnosis(["eth0"]);
    const missing = findings.find(({ id }) => id === "UL-K01");
    const told = (missing?.message.match(/make (.*) links/)?.[1] ?? "").split(", ");
    expect(told.includes("ipvlan")).toBe(!made("ipvlan"));
    expect(told.includes("macvlan")).toBe(!made("macvlan"));
    expect(told.includes("dummy")).toBe(!made("dummy"));
  });
});

test("beside a daemon it asks the daemon; `status` counts what is wrong with the host, the log tells it", async () => {
  const daemon = Bun.spawn(
    ["nsenter", `--net=${lan.path}`, PROGRAM, "daemon", "--config=/dev/null", "--log-format=json", ...FLAGS],
    { stdout: "ignore", stderr: "pipe" },
  );
  const logged = new Response(daemon.stderr).text();
  try {
    const status = async () => {
      const response = await fetch("http://x/v1/status", { unix: `${root}/run-dir/underlay.sock` });
      return v.parse(SCHEMAS["underlay.status/v1"], await response.json()).host;
    };
    const host = await until("the daemon has looked at its host", status, {
      hopeless: () => (daemon.exitCode === null ? undefined : `it exited with ${daemon.exitCode}`),
    });
    const body = diagnosis(["eth0"]);
    expect([body.networks.from, statusOf(body, "UL-R01")]).toEqual(["daemon", "ok"]);
    const ofHost = body.findings.filter(({ subject }) => subject.kind === "host");
    const count = (wanted: string) => ofHost.filter(({ severity }) => severity === wanted).length;
    expect(host).toMatchObject({ fail: count("fail"), warn: count("warn") });
    expect(host?.findings).toEqual(ofHost.filter(({ id }) => !id.startsWith("UL-R")));

    daemon.kill();
    const begun = (await logged).split("\n").filter((line) => line.includes("condition begins: "));
    // What the daemon does not ask Docker is the doctor's alone.
    const ofBoth = ofHost.filter(({ id }) => !id.startsWith("UL-R"));
    for (const { id, message } of ofBoth)
      expect(begun.filter((line) => line.includes(id) && line.includes(message))).toHaveLength(1);
    expect(ofBoth.length).toBeGreaterThan(0);
  } finally {
    daemon.kill();
    await daemon.exited;
  }
});

describe("it goes as far as it can", () => {
  test("without root", () => {
    const by = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    lan.ip("link add br0 type bridge");
    lan.ip("link set eth0 master br0");
    const body = diagnosis(["eth0"], { by });
    expect(body.findings[0]?.id).toBe("UL-P06");
    for (const id of ["UL-K01", "UL-K07", "UL-K10", "UL-P07"]) expect(statusOf(body, id)).toBe("skip");
    for (const { status, reason } of body.checks) if (status === "skip") expect(reason).not.toBe("");
  });

  test("as root without any capability, as in many containers", () => {
    const body = diagnosis(["eth0"], { by: ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] });
    expect(body.findings[0]?.id).toBe("UL-K07");
    expect([statusOf(body, "UL-K01"), statusOf(body, "UL-P06")]).toEqual(["skip", "ok"]);
  });

  test("without sysfs", () => {
    const by = ["unshare", "--mount", "sh", "-c", 'umount -l /sys && exec "$@"', "sh"];
    const body = diagnosis(["eth0"], { by });
    expect([body.parents, statusOf(body, "UL-H01"), statusOf(body, "UL-P06")]).toEqual([
      ["eth0"],
      "skip",
      "ok",
    ]);
  });

  test("among 1,000 links", () => {
    const batch = Array.from(
      { length: 1000 },
      (_, i) => `link add mv${i} link eth0 type macvlan mode bridge`,
    );
    const { exitCode } = Bun.spawnSync(["nsenter", `--net=${lan.path}`, "ip", "-batch", "-"], {
      stdin: new TextEncoder().encode(`${batch.join("\n")}\n`),
    });
    expect(exitCode).toBe(0);
    expect(diagnosis(["eth0"]).counts.fail).toBe(0);
  });
});
