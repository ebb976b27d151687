import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { Body } from "../../src/daemon/api.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { type Scene, startScene } from "../ground/scene.ts";

/** What the doctor tells of a real dockerd beside which something is wrong: that first. */

const things = disposedAfterAll();
let scene: Scene;

beforeAll(async () => {
  scene = things.use(await startScene("newest"));
  await scene.network("--subnet", "10.77.0.0/24", "--gateway", "10.77.0.1", "lan");
}, 600_000);

afterEach(async () => {
  if (!scene.underlay.isRunning()) await scene.underlay.start();
});

const DOCTOR = ["/opt/underlay/underlay", "doctor", "lan0", "-o", "json"];

/** Without the remark on kinds of links that this kernel lacks, which is no fault of any test. */
async function findings(by: readonly string[] = []): Promise<Body<"underlay.doctor/v1">["findings"]> {
  const { stdout, stderr } = await scene.host.run([...by, ...DOCTOR]);
  if (stdout === "") throw new Error(stderr);
  const body: Body<"underlay.doctor/v1"> = JSON.parse(stdout);
  return body.findings.filter(({ id, severity }) => !(id === "UL-K01" && severity === "info"));
}

describe("told first:", () => {
  test("nothing, while all is well", async () => {
    expect((await findings()).filter(({ severity }) => severity !== "info")).toEqual([]);
  });

  test("UL-R01, when no daemon runs and Docker has networks of it", async () => {
    await scene.underlay.stop();
    const [first] = await findings();
    expect(first).toMatchObject({ id: "UL-R01", severity: "fail" });
    await scene.underlay.start();
    expect((await findings()).map(({ id }) => id)).not.toContain("UL-R01");
  });

  test("UL-R02, a managed plugin that is installed and disabled", async () => {
    // A plugin as `docker plugin install` would leave it, but from a folder, because here is no registry.
    const config = {
      description: "does nothing",
      documentation: "",
      interface: { socket: "plugin.sock", types: ["docker.networkdriver/1.0"] },
      entrypoint: ["/bin/sleep", "1000"],
      network: { type: "host" },
      linux: { capabilities: [] },
    };
    await scene.host.must(["mkdir", "-p", "/tmp/plugin/rootfs/bin"]);
    await scene.host.must(["sh", "-c", 'cp "$(command -v busybox)" /tmp/plugin/rootfs/bin/sleep']);
    await Bun.write(scene.host.outside("/tmp/plugin/config.json"), JSON.stringify(config));
    await scene.dockerd.docker("plugin", "create", "acme/underlay:1", "/tmp/plugin");
    try {
      const [first] = await findings();
      expect(first).toMatchObject({ id: "UL-R02", severity: "warn", subject: { name: "acme/underlay:1" } });
      expect(first?.fix[0]?.run).toBe("docker plugin enable acme/underlay:1");
    } finally {
      await scene.dockerd.docker("plugin", "rm", "-f", "acme/underlay:1");
    }
  });

  test("UL-R04, a published port", async () => {
    await scene.container("web", "--network", "lan", "-p", "8080:80");
    try {
      const [first] = await findings();
      expect(first).toMatchObject({ id: "UL-R04", message: expect.stringContaining("-p 8080:80/tcp") });
    } finally {
      await scene.dockerd.docker("rm", "-f", "web");
    }
  });

  test("UL-M06, a dockerd from a snap", async () => {
    // The profile is what tells: a file over the label of this dockerd, for the doctor alone to see.
    const pid = (await scene.host.must(["cat", "/run/docker.pid"])).trim();
    const attr = `/proc/${pid}/attr`;
    const label = [
      `busybox mount -t tmpfs snap ${attr}`,
      `mkdir ${attr}/apparmor`,
      `echo 'snap.docker.dockerd (enforce)' >${attr}/apparmor/current`,
      'exec "$@"',
    ];
    const [first] = await findings(["unshare", "--mount", "sh", "-euc", label.join("\n"), "sh"]);
    expect(first).toMatchObject({ id: "UL-M06", severity: "fail" });
    expect((await findings()).map(({ id }) => id)).not.toContain("UL-M06");
  });
});
