import { beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync } from "node:fs";
import { SCHEMA_VERSION } from "../../src/store/schema.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { type Dockerd, IMAGE, LASTING, startDockerd } from "../ground/dockerd.ts";
import { findEngine } from "../ground/engines.ts";
import { type PrivateHost, type Running, startHost } from "../ground/host.ts";
import { buildNewer } from "../ground/newer.ts";
import { BUILT } from "../ground/packaging.ts";
import { run } from "../ground/run.ts";
import { DRIVER, ROUTER } from "../ground/scene.ts";
import { until } from "../ground/until.ts";

/** A host without systemd: installed, used, upgraded while containers run, not downgraded, and left clean. */

const things = disposedAfterAll();
const INSTALLED = "/usr/local/bin/underlay";
let host: PrivateHost;
let dockerd: Dockerd;
let daemon: Running;

beforeAll(async () => {
  const engine = await findEngine("newest");
  host = things.use(await startHost({ engine, routerAddresses: [`${ROUTER.v4}/24`] }));
  const newer = things.use(await buildNewer("99.0.0"));
  copyFileSync(newer.program, host.outside("/tmp/newer"));
  await host.must(["chmod", "755", "/tmp/newer"]);
}, 600_000);

async function startDaemon(): Promise<void> {
  daemon = await host.start([INSTALLED, "daemon"]);
  await until("the daemon serves", async () => (await host.run([INSTALLED, "status"])).code === 0, {
    hopeless: () => (daemon.hasEnded() ? daemon.lines.join("\n") : undefined),
  });
}

const status = async () => JSON.parse(await host.must([INSTALLED, "status", "-o", "json"]));
const files = async () => {
  const found = await host.must([
    "find",
    "/etc",
    "/usr/local",
    "/var/lib/underlay",
    "-newer",
    "/tmp/before",
    "!",
    "-type",
    "d",
  ]);
  return found
    .split("\n")
    .filter((path) => path !== "")
    .sort();
};
const links = async () => {
  const found: { ifname: string }[] = JSON.parse(await host.must(["ip", "-j", "link"]));
  return found
    .map(({ ifname }) => ifname)
    .sort()
    .join(" ");
};
const pings = async () =>
  (await dockerd.tryDocker(["exec", "c1", "ping", "-c1", "-W2", ROUTER.v4])).code === 0;

const PTY = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

/** Runs a program inside at a terminal of its own, where this is typed. */
const atTerminal = (input: string, ...argv: string[]) => {
  const inside = ["nsenter", "--target", String(host.pid), "--mount", "--net", "--pid", "--", ...argv];
  return run(["python3", "-c", PTY, ...inside], { input });
};

describe("without systemd", () => {
  test("install says what to do by hand; a second time nothing changes", async () => {
    await host.must(["mkdir", "-p", "/var/lib/underlay"]);
    await host.must(["touch", "/tmp/before"]);
    const first = await host.must([BUILT, "install"]);
    expect(first).toContain(`no systemd runs here: have ${INSTALLED} daemon started at boot, before dockerd`);
    const once = await files();
    expect(once).toContain("/etc/systemd/system/underlay.service");
    expect(await host.must([INSTALLED, "install"])).toStartWith("unchanged 13 files\n");
    expect(await files()).toEqual(once);
  });

  test("only root may", async () => {
    const args = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", INSTALLED, "install"];
    expect(await host.run(args)).toEqual({
      code: 6,
      stdout: "",
      stderr: "underlay: only root may change what is installed on this host: use sudo\n",
    });
  });

  test("an upgrade: containers keep their links, and the new daemon takes over", async () => {
    await host.must(["mkdir", "-p", "/run/docker/plugins"]);
    await startDaemon();
    dockerd = await startDockerd(host);
    const create = [
      "network",
      "create",
      "-d",
      DRIVER,
      "-o",
      "parent=lan0",
      "--subnet",
      "10.77.0.0/24",
      "lan",
    ];
    await dockerd.docker(...create);
    await dockerd.docker("run", "-d", "--name", "c1", "--network", "lan", IMAGE, ...LASTING);
    expect(await pings()).toBe(true);
    const link = await dockerd.docker("exec", "c1", "ip", "address", "show", "eth0");

    const told = await host.must(["/tmp/newer", "install"]);
    expect(told).toContain(`changed   ${INSTALLED}`);
    // The old one runs on from the file that has no name any more.
    expect(await status()).toMatchObject({ daemon: { version: expect.not.stringContaining("99.") } });
    daemon.kill("SIGTERM");
    expect(await daemon.exited).toBe(0);
    expect(await pings()).toBe(true);
    await startDaemon();

    expect(await status()).toMatchObject({
      daemon: { version: "99.0.0" },
      networks: { total: 1, degraded: 0 },
      endpoints: { total: 1, provisioned: 1 },
    });
    expect(await dockerd.docker("exec", "c1", "ip", "address", "show", "eth0")).toBe(link);
    expect(await pings()).toBe(true);
    await dockerd.docker("restart", "c1");
    expect(await pings()).toBe(true);
  }, 60_000);

  test("a downgrade is refused with its reason, and changes nothing", async () => {
    const before = await files();
    const { code, stderr } = await host.run([BUILT, "install"]);
    expect([code, stderr]).toEqual([
      5,
      expect.stringMatching(
        new RegExp(
          `nothing was installed: Underlay 99\\.0\\.0 .*schema ${SCHEMA_VERSION + 1}, this Underlay .* only up to ${SCHEMA_VERSION};`,
        ),
      ),
    ]);
    expect(await files()).toEqual(before);
    expect(await host.must([INSTALLED, "version"])).toContain("99.0.0");
    // The records alone say the same.
    const other = await host.run([BUILT, "install", "--prefix", "/opt/other"]);
    expect([other.code, other.stderr]).toEqual([
      5,
      expect.stringContaining(`schema version ${SCHEMA_VERSION + 1}`),
    ]);
    expect(existsSync(host.outside("/opt/other"))).toBe(false);
  });

  test("uninstall asks before networks are dropped", async () => {
    const { code, stderr } = await host.run([INSTALLED, "uninstall"]);
    expect([code, stderr]).toEqual([
      2,
      "underlay: 1 network with 1 endpoint would be dropped: say -y when that is meant\n",
    ]);
    const answered = await atTerminal("n\n", INSTALLED, "uninstall");
    expect([answered.code, answered.stdout]).toEqual([1, expect.stringContaining("Go on? [y/N]")]);
    expect(answered.stdout).toContain("nothing was changed");
    expect(await pings()).toBe(true);
  });

  test("uninstall -y drops them in Docker too, ends the daemon and leaves nothing but settings", async () => {
    await host.must(["mkdir", "-p", "/etc/underlay"]);
    await Bun.write(host.outside("/etc/underlay/underlay.toml"), 'log_level = "debug"\n');
    const told = await host.must([INSTALLED, "uninstall", "-y"]);
    expect(told).toContain("dropped   network ");
    expect(await daemon.exited).toBe(0);
    expect(await dockerd.docker("network", "ls", "--quiet", "--filter", `driver=${DRIVER}`)).toBe("");
    expect(await dockerd.docker("exec", "c1", "ip", "-o", "link")).not.toContain("eth0");
    expect(await links()).toBe("lan0 lo");
    expect(
      (await host.must(["find", "/etc", "/usr/local", "/run", "/var/lib", "-name", "*underlay*"])).split(
        "\n",
      ),
    ).toEqual(["/etc/underlay", "/etc/underlay/underlay.toml"]);
  });

  test("uninstall without a daemon drops what the records say, and names what Docker still lists", async () => {
    await host.must([BUILT, "install"]);
    await startDaemon();
    const network = await dockerd.docker(
      "network",
      "create",
      "-d",
      DRIVER,
      "-o",
      "parent=lan0",
      ...["--subnet", "10.78.0.0/24"],
      "left",
    );
    const unix = host.outside("/run/docker/plugins/underlay-macvlan.sock");
    const ids = { NetworkID: network, EndpointID: "e".repeat(64) };
    const Interface = { Address: "10.78.0.9/24" };
    for (const [method, message] of [
      ["CreateEndpoint", { ...ids, Interface, Options: {} }],
      ["Join", { ...ids, SandboxKey: "/run/docker/netns/x", Options: {} }],
    ] as const) {
      const body = JSON.stringify(message);
      const answer = await fetch(`http://plugin/NetworkDriver.${method}`, { method: "POST", unix, body });
      expect([method, await answer.json()]).toEqual([
        method,
        expect.not.objectContaining({ Err: expect.anything() }),
      ]);
    }
    expect(await links()).toContain("ul-");
    daemon.kill("SIGKILL");
    await daemon.exited;
    const told = await host.must([INSTALLED, "uninstall", "-y"]);
    expect(told).toContain(`docker network rm ${network.slice(0, 12)}`);
    expect(await links()).toBe("lan0 lo");
    expect(await host.must(["find", "/var/lib", "/usr/local", "-name", "*underlay*"])).toBe("");
  });

  test("uninstall twice", async () => {
    expect(await host.run([BUILT, "uninstall"])).toEqual({
      code: 0,
      stdout: "nothing is installed in /usr/local\n",
      stderr: "",
    });
  });
});
