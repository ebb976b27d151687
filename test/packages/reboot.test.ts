import { beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync } from "node:fs";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { IMAGE, IMPORT_BUSYBOX, LASTING } from "../ground/dockerd.ts";
import type { PrivateHost } from "../ground/host.ts";
import { buildNewer } from "../ground/newer.ts";
import { BUILT, startBootingHost } from "../ground/packaging.ts";
import { DRIVER, ROUTER } from "../ground/scene.ts";
import { type Booted, bootSystemd } from "../ground/systemd.ts";
import { until } from "../ground/until.ts";

/**
 * A Debian that boots: its systemd, its dockerd as its own unit starts it, and the program as `install` left it. What is
 * installed once is there after each boot, and before Docker. The machine's kernel goes on; processes, namespaces, /run,
 * the boot id and the NIC are new each time.
 */

const things = disposedAfterAll();
const INSTALLED = "/usr/local/bin/underlay";
const ADDRESS = "10.77.0.40";
let host: PrivateHost;
let booted: Booted;

const boot = async () => {
  booted = await bootSystemd(host, "multi-user.target");
};

beforeAll(async () => {
  host = things.use(await startBootingHost([`${ROUTER.v4}/24`]));
  const newer = things.use(await buildNewer("99.0.0"));
  copyFileSync(newer.program, host.outside("/opt/newer"));
  await host.must(["chmod", "755", "/opt/newer"]);
  // This LAN has no DHCP server, and the tests of it have a file of their own.
  await host.must(["ln", "-s", "/dev/null", "/etc/systemd/system/NetworkManager.service"]);
  const settings = { bridge: "none", iptables: false, ip6tables: false };
  await Bun.write(host.outside("/etc/docker/daemon.json"), JSON.stringify(settings));
  await boot();
  await booted.must("sh", "-euc", IMPORT_BUSYBOX, IMAGE);
}, 600_000);

const show = (unit: string, property: string) =>
  booted.must("systemctl", "show", "--value", `--property=${property}`, unit);
const status = async () => JSON.parse(await booted.must(INSTALLED, "status", "-o", "json"));
const answersOnLan = async () => {
  const ping = ["busybox", "ping", "-c1", "-W1", ADDRESS];
  return (await host.router(ping)).includes("1 packets received");
};
const linkInside = () => booted.must("docker", "exec", "web", "ip", "address", "show", "eth0");

/** What a person sees who comes back to the machine. */
async function expectAllThere(version: string | RegExp): Promise<void> {
  await until("the container answers on the LAN", answersOnLan, { withinMs: 20_000 });
  expect(await booted.must("docker", "ps", "--format", "{{.Names}} {{.State}}")).toBe("web running");
  expect(await booted.must("docker", "network", "ls", "--quiet", "--filter", `driver=${DRIVER}`)).not.toBe(
    "",
  );
  expect(await linkInside()).toContain(`inet ${ADDRESS}/24`);
  expect(await status()).toMatchObject({
    daemon: {
      version: expect.stringMatching(version),
      pid: Number(await show("underlay.service", "MainPID")),
    },
    networks: { total: 1, degraded: 0 },
    endpoints: { total: 1, provisioned: 1 },
    findings: [],
  });
  expect(await show("underlay.service", "NRestarts")).toBe("0");
}

async function expectStartedBeforeDocker(): Promise<void> {
  const ready = Number(await show("underlay.service", "ActiveEnterTimestampMonotonic"));
  const docker = Number(await show("docker.service", "ExecMainStartTimestampMonotonic"));
  expect([ready > 0, docker > 0, ready <= docker]).toEqual([true, true, true]);
  // dockerd says so when it looks for a plugin in vain and tries again.
  expect(await booted.must("journalctl", "--no-pager", "-u", "docker.service")).not.toMatch(
    /unable to locate plugin|retrying in/i,
  );
}

describe("installed once, beside the Docker that Debian starts,", () => {
  test("a container with a restart policy is on the LAN", async () => {
    await booted.must(BUILT, "install");
    await booted.must(
      ...["docker", "network", "create", "-d", DRIVER, "-o", "parent=lan0"],
      ...["--subnet", "10.77.0.0/24", "--gateway", ROUTER.v4, "lan"],
    );
    await booted.must(
      ...["docker", "run", "-d", "--name", "web", "--restart", "always"],
      ...["--network", "lan", "--ip", ADDRESS, IMAGE, ...LASTING],
    );
    await expectAllThere(/^\d/);
  });

  test("an upgrade replaces the daemon and touches neither the container's link nor Docker", async () => {
    const before = { link: await linkInside(), docker: await show("docker.service", "InvocationID") };
    const started = await booted.must("docker", "inspect", "--format", "{{.State.StartedAt}}", "web");
    expect(await booted.must("/opt/newer", "install")).toContain(`changed   ${INSTALLED}`);
    await expectAllThere("99.0.0");
    expect(await linkInside()).toBe(before.link);
    expect(await show("docker.service", "InvocationID")).toBe(before.docker);
    expect(await booted.must("docker", "inspect", "--format", "{{.State.StartedAt}}", "web")).toBe(started);
    await booted.must("docker", "restart", "--time", "1", "web");
    await expectAllThere("99.0.0");
  });

  test.each(["powerOff", "cutPower"] as const)(
    "after %s and a boot all of it is there again",
    async (how) => {
      const bootId = () => booted.must("cat", "/proc/sys/kernel/random/boot_id");
      const before = await bootId();
      await booted[how]();
      await host.unplug();
      await host.plugIn();
      expect(await host.must(["ip", "-o", "link"])).not.toContain("ul-");
      await boot();
      expect(await bootId()).not.toBe(before);
      await expectAllThere("99.0.0");
      await expectStartedBeforeDocker();
    },
  );

  test("uninstall leaves Docker running, and nothing of itself", async () => {
    const docker = await show("docker.service", "InvocationID");
    expect(await booted.must(INSTALLED, "uninstall", "-y")).toContain("dropped   network ");
    expect(await show("docker.service", "InvocationID")).toBe(docker);
    expect(await booted.must("docker", "network", "ls", "--quiet", "--filter", `driver=${DRIVER}`)).toBe("");
    expect(await booted.must("find", "/etc", "/usr/local", "/run", "/var/lib", "-name", "*underlay*")).toBe(
      "",
    );
  });
});
