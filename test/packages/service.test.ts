import { beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync } from "node:fs";
import { disposedAfterAll } from "../ground/cleanup.ts";
import type { PrivateHost } from "../ground/host.ts";
import { buildNewer } from "../ground/newer.ts";
import { BUILT, startPackagingHost } from "../ground/packaging.ts";
import { type Booted, bootSystemd } from "../ground/systemd.ts";
import { until } from "../ground/until.ts";

/** The unit as systemd really runs it, with every line of its hardening; beside it a service called docker. */

const things = disposedAfterAll();
const INSTALLED = "/usr/local/bin/underlay";
const UNIT = "/etc/systemd/system/underlay.service";
const NETWORK = "1758a0b1".padEnd(64, "0");
const ENDPOINT = "2f".padEnd(64, "0");
let host: PrivateHost;
let booted: Booted;
let dockerSince = "";

beforeAll(async () => {
  host = things.use(await startPackagingHost());
  const newer = things.use(await buildNewer("99.0.0"));
  copyFileSync(newer.program, host.outside("/tmp/newer"));
  await host.must(["chmod", "755", "/tmp/newer"]);
  booted = await bootSystemd(host);
  const docker = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n";
  await Bun.write(host.outside("/etc/systemd/system/docker.service"), docker);
  await booted.must("systemctl", "start", "docker.service");
  dockerSince = await show("docker.service", "InvocationID");
}, 600_000);

const show = (unit: string, property: string) =>
  booted.must("systemctl", "show", "--value", `--property=${property}`, unit);
const mainPid = () => show("underlay.service", "MainPID");
const status = async () => JSON.parse(await booted.must(INSTALLED, "status", "-o", "json"));

async function call(method: string, message: object): Promise<void> {
  const unix = booted.outside("/run/docker/plugins/underlay-macvlan.sock");
  const body = JSON.stringify(message);
  const response = await fetch(`http://plugin/NetworkDriver.${method}`, { method: "POST", unix, body });
  expect([method, await response.json()]).toEqual([
    method,
    expect.not.objectContaining({ Err: expect.anything() }),
  ]);
}

describe("with systemd", () => {
  test("install starts the service, enabled, and tells that Docker need not be restarted", async () => {
    const told = await booted.must(BUILT, "install");
    expect(told).toContain("underlay.service is enabled and runs; Docker need not be restarted");
    expect(await show("underlay.service", "ActiveState")).toBe("active");
    expect(await show("underlay.service", "UnitFileState")).toBe("enabled");
    expect((await show("docker.service", "After")).split(" ")).toContain("underlay.service");
    expect(await status()).toMatchObject({ daemon: { pid: Number(await mainPid()) }, findings: [] });
  });

  test("a second install changes nothing: the same daemon runs on", async () => {
    const before = await mainPid();
    expect(await booted.must(INSTALLED, "install")).toStartWith("unchanged 13 files\n");
    expect(await mainPid()).toBe(before);
  });

  test("in its sandbox it makes links, and finds them in a netns that is younger than itself", async () => {
    await call("CreateNetwork", {
      NetworkID: NETWORK,
      Options: { "com.docker.network.generic": { parent: "lan0" } },
      IPv4Data: [{ AddressSpace: "LocalDefault", Pool: "10.60.0.0/16", Gateway: "10.60.0.1/16" }],
      IPv6Data: [],
    });
    const ids = { NetworkID: NETWORK, EndpointID: ENDPOINT };
    await call("CreateEndpoint", { ...ids, Interface: { Address: "10.60.0.9/16" }, Options: {} });
    await call("Join", { ...ids, SandboxKey: "/run/docker/netns/c1", Options: {} });
    const { endpoints } = JSON.parse(await booted.must(INSTALLED, "endpoint", "ls", "-o", "json"));
    // As Docker binds it: a mount that is made after the unit's own mount namespace.
    await booted.must("mkdir", "-p", "/run/docker/netns");
    await booted.must("sh", "-euc", "touch /run/docker/netns/c1; unshare --net=/run/docker/netns/c1 true");
    await booted.must("sh", "-euc", `ip link set ${endpoints[0].link_name} netns /run/docker/netns/c1`);
    const { actions } = JSON.parse(await booted.must(INSTALLED, "gc", "-o", "json"));
    expect(actions).toEqual([]);
    expect(await status()).toMatchObject({ endpoints: { total: 1, provisioned: 1 }, findings: [] });
  });

  test.each([
    {
      why: "is not enabled",
      fault: "systemctl disable underlay.service",
      mend: { run: "systemctl enable --now underlay.service" },
    },
    {
      why: "is not ordered before docker",
      fault: `sed -i 's/^Before=.*/Before=podman.service/' ${UNIT}`,
      mend: { say: expect.stringContaining(`move ${UNIT} away`), run: "underlay install" },
      before: `mv ${UNIT} /tmp/theirs.service`,
    },
  ])("the doctor tells UL-R03 first when the unit $why, and what it says mends it", async (unit) => {
    const first = async () => {
      const { findings } = JSON.parse(await booted.must(INSTALLED, "doctor", "-o", "json"));
      return findings.filter(({ severity }: { severity: string }) => severity !== "info")[0];
    };
    expect(await first()).toBeUndefined();
    await booted.must("sh", "-euc", unit.fault);
    expect(await first()).toMatchObject({ id: "UL-R03", fix: [unit.mend] });
    await booted.must("sh", "-euc", `${unit.before ?? ":"}; ${unit.mend.run}`);
    expect(await first()).toBeUndefined();
  });

  test("after kill -9 it is started again", async () => {
    const before = await mainPid();
    await booted.must("kill", "-KILL", before);
    const restarted = async () =>
      ![before, "0"].includes(await mainPid()) && (await status()).daemon !== null;
    await until("another daemon serves", restarted);
    expect((await status()).endpoints).toEqual({ total: 1, provisioned: 1, ports: 0 });
  });

  test("an upgrade: the new daemon takes over", async () => {
    expect(await booted.must("/tmp/newer", "install")).toContain(`changed   ${INSTALLED}`);
    expect(await status()).toMatchObject({
      daemon: { version: "99.0.0", pid: Number(await mainPid()) },
      endpoints: { total: 1, provisioned: 1 },
      findings: [],
    });
  });

  test("what systemd says about its exposure is not worse than it was", async () => {
    const line = (await booted.must("systemd-analyze", "security", "--no-pager", "underlay.service"))
      .split("\n")
      .at(-1);
    const exposure = Number(/: ([\d.]+) /.exec(line ?? "")?.[1]);
    expect(exposure).toBeLessThanOrEqual(4.5);
  });

  test("uninstall stops and disables it, and leaves nothing", async () => {
    expect(await booted.must(INSTALLED, "uninstall", "-y")).toContain(
      "removed   /etc/systemd/system/underlay.service",
    );
    expect(await show("underlay.service", "LoadState")).toBe("not-found");
    const left = await booted.must(
      "find",
      "/etc",
      "/usr/local",
      "/run",
      "/var/lib",
      "-name",
      "*underlay*",
      "-not",
      "-path",
      "/run/log/*",
    );
    expect(left).toBe("");
    expect(await booted.run([BUILT, "uninstall"])).toMatchObject({ code: 0 });
  });

  test("the service called docker was left alone all the time", async () => {
    expect(await show("docker.service", "InvocationID")).toBe(dockerSince);
    expect(dockerSince).not.toBe("");
  });
});
