import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { IMAGE, LASTING } from "../ground/dockerd.ts";
import { AGES } from "../ground/engines.ts";
import { DRIVER, ROUTER, type Scene, startScene } from "../ground/scene.ts";
import { MOVES } from "./migrate/networks.ts";
import { POINTS, type Point, standBetween } from "./migrate/proxy.ts";

/** What Docker tells of a network. */
type Inspected = Record<string, unknown> & { Id: string; Driver: string; IPAM: Ipam };

interface Ipam {
  readonly Config: readonly { readonly Subnet: string }[] | null;
}

const JOURNAL = "/var/lib/underlay/migrate-docker.json";
const LAN = ["-o", "parent=lan0", "--subnet", "10.77.0.0/24", "--gateway", "10.77.0.1", "--label", "a=b c"];

const ADDRESS = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";

describe.each([...AGES])("underlay migrate docker, on the %s dockerd", (age) => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await startScene(age);
  });
  afterAll(() => scene[Symbol.asyncDispose]());
  afterEach(async () => {
    await scene.clear();
    // A configuration is no network that is pruned.
    await scene.dockerd.tryDocker(["network", "rm", "settings"]);
  }, 60_000);

  const old = (...args: string[]) => scene.dockerd.docker("network", "create", "-d", "macvlan", ...args);
  const inspect = async (name: string): Promise<Inspected> =>
    JSON.parse(await scene.dockerd.docker("network", "inspect", name))[0];
  /** Apart from what a new network cannot share with the old one. */
  const same = ({ Id: _id, Created: _created, Driver: _driver, ...rest }: Inspected) => rest;
  /** docker's command line sends several subnets in whichever order its map has them this time. */
  const inNoOrder = (network: Inspected) => {
    const Config = network.IPAM.Config?.toSorted((a, b) => (a.Subnet < b.Subnet ? -1 : 1)) ?? null;
    return same({ ...network, IPAM: { ...network.IPAM, Config } });
  };
  const migrate = (...args: string[]) => scene.underlay.tryCli("migrate", "docker", ...args);
  const shell = (text: string) => scene.host.must(["bash", "-euc", text]);
  const journal = () => existsSync(scene.host.outside(JOURNAL));
  const address = (container: string) => scene.dockerd.docker("inspect", "-f", ADDRESS, container);

  describe("keeps everything that Docker tells of a network", () => {
    const moves = MOVES.filter(({ newest }) => age === "newest" || !newest);

    test.each(moves)(
      "$what: --apply",
      async ({ args, before = [] }) => {
        for (const argv of before) await scene.dockerd.docker(...argv);
        await old(...args, "lan");
        const was = await inspect("lan");
        expect(await migrate("--apply", "lan")).toMatchObject({ code: 0, stderr: "" });
        const is = await inspect("lan");
        expect([same(is), was.Driver, is.Driver]).toEqual([same(was), "macvlan", DRIVER]);
        expect([is.Id === was.Id, journal()]).toEqual([false, false]);
      },
      60_000,
    );

    test.each(moves)(
      "$what: the commands that are printed, and back again",
      async ({ args, before = [] }) => {
        for (const argv of before) await scene.dockerd.docker(...argv);
        await old(...args, "lan");
        const was = await inspect("lan");
        const { code, stdout, stderr } = await migrate();
        expect([code, stderr]).toEqual([0, ""]);
        expect(await inspect("lan")).toEqual(was);
        await shell(stdout);
        const is = await inspect("lan");
        expect([inNoOrder(is), is.Driver]).toEqual([inNoOrder(was), DRIVER]);
        const restore = / have the old one again: (.*)$/m.exec(stdout)?.[1] ?? "";
        await shell(`docker network rm lan; ${restore}`);
        const again = await inspect("lan");
        expect([inNoOrder(again), again.Driver]).toEqual([inNoOrder(was), "macvlan"]);
      },
      60_000,
    );
  });

  test("twice is once", async () => {
    await old(...LAN, "lan");
    await migrate("--apply");
    const { Id } = await inspect("lan");
    expect(await migrate("--apply")).toEqual({ code: 0, stdout: "nothing to move\n", stderr: "" });
    expect(await migrate("--apply", "lan")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("already"),
    });
    expect((await inspect("lan")).Id).toBe(Id);
  }, 60_000);

  describe("containers", () => {
    const three = async () => {
      await old(...LAN, "lan");
      await scene.container("runs", "--network", "lan", "--ip", "10.77.0.140", "--network-alias", "www");
      await scene.dockerd.docker("run", "--name", "ended", "--network", "lan", IMAGE, "true");
      await scene.dockerd.docker("create", "--name", "never", "--network", "lan", IMAGE, ...LASTING);
    };

    test.each(["runs", "ended", "never"])(
      "a network is left alone when %s is on it",
      async (name) => {
        await three();
        const others = ["runs", "ended", "never"].filter((other) => other !== name);
        await scene.dockerd.docker("rm", "-f", ...others);
        const was = await inspect("lan");
        const { code, stdout } = await migrate("--apply");
        expect([code, stdout]).toEqual([5, expect.stringContaining(`used by ${name} (`)]);
        expect([await inspect("lan"), journal()]).toEqual([was, false]);
      },
      60_000,
    );

    test("the commands that are printed move them too: the same address, the same names, heard by the LAN", async () => {
      await three();
      const { stdout } = await migrate("lan");
      await shell(stdout);
      expect((await inspect("lan")).Driver).toBe(DRIVER);
      expect(await address("runs")).toBe("10.77.0.140");
      expect(await scene.pings("runs", ROUTER.v4)).toBe(true);
      await scene.dockerd.docker("start", "never");
      expect(await scene.pings("never", "www")).toBe(true);
      await scene.dockerd.docker("start", "ended");
      expect(await scene.dockerd.docker("inspect", "-f", "{{.State.ExitCode}}", "ended")).toBe("0");
    }, 60_000);

    test("one that knows its network by the id could not be put back, so nothing is to be pasted", async () => {
      const id = await old(...LAN, "lan");
      await scene.container("runs", "--network", id);
      const { stdout } = await migrate();
      expect(stdout).toContain("# runs was made with the network's id");
      expect(stdout).not.toMatch(/^docker/m);
      expect((await migrate("--apply")).code).toBe(5);
      expect(await scene.pings("runs", ROUTER.v4)).toBe(true);
    }, 60_000);

    test("one that is made anew has the address that it asks for", async () => {
      await three();
      await scene.dockerd.docker("rm", "-f", "runs", "ended", "never");
      expect((await migrate("--apply", "lan")).code).toBe(0);
      await scene.container("runs", "--network", "lan", "--ip", "10.77.0.140");
      expect([await address("runs"), await scene.pings("runs", ROUTER.v4)]).toEqual(["10.77.0.140", true]);
    }, 60_000);
  });

  describe("what our driver would not take", () => {
    test("is told before anything is done, and stays", async () => {
      await old(...LAN, "-o", "parnet=x", "lan");
      const was = await inspect("lan");
      const plan = await migrate("-o", "json");
      expect([plan.code, JSON.parse(plan.stdout).networks]).toEqual([
        0,
        [
          expect.objectContaining({
            status: "refused",
            reasons: ["unknown option parnet, did you mean parent?"],
          }),
        ],
      ]);
      const { code, stdout } = await migrate("--apply");
      expect([code, stdout]).toEqual([5, expect.stringContaining("unknown option parnet")]);
      expect(await inspect("lan")).toEqual(was);
    }, 60_000);

    test("the conditions of its parent are asked beforehand, too", async () => {
      await old(...LAN, "-o", "com.docker.network.driver.mtu=9000", "lan");
      const { stdout } = await migrate();
      expect(stdout).toContain("# UL-P12 ");
      expect(stdout).not.toMatch(/^docker/m);
    }, 60_000);

    test("is put back as it was when it shows only then", async () => {
      await old(...LAN, "-o", "com.docker.network.driver.mtu=1400", "lan");
      const was = await inspect("lan");
      await using between = standBetween(scene.host, async (point) => {
        if (point.call === "remove") await scene.host.must(["ip", "link", "set", "lan0", "mtu", "1300"]);
        return undefined;
      });
      const { code, stdout } = await migrate("--apply", `--docker-socket=${between.socket}`);
      await scene.host.must(["ip", "link", "set", "lan0", "mtu", "1500"]);
      expect([code, stdout]).toEqual([5, expect.stringMatching(/put back.*UL-P12/)]);
      const is = await inspect("lan");
      expect([same(is), is.Driver, journal()]).toEqual([same(was), "macvlan", false]);
    }, 60_000);

    test("when it cannot even be put back, the command that restores it is printed, and a later run goes on", async () => {
      await old(...LAN, "lan");
      const was = await inspect("lan");
      await using between = standBetween(scene.host, async (point) =>
        point.call === "create" ? Response.json({ message: "not now" }, { status: 500 }) : undefined,
      );
      const { code, stdout } = await migrate("--apply", `--docker-socket=${between.socket}`);
      expect([code, stdout]).toEqual([1, expect.stringContaining("not now; putting it back: not now")]);
      expect(journal()).toBe(true);
      await shell(/^docker network create .*$/m.exec(stdout)?.[0] ?? "false");
      const is = await inspect("lan");
      expect([same(is), is.Driver]).toEqual([same(was), "macvlan"]);
      expect((await migrate("--apply")).code).toBe(0);
      expect([(await inspect("lan")).Driver, journal()]).toEqual([DRIVER, false]);
    }, 60_000);
  });

  describe("kill -9 loses no network", () => {
    async function killedAt({ call, when }: Point): Promise<void> {
      const killed = Promise.withResolvers<void>();
      await using between = standBetween(scene.host, async (point) => {
        if (point.call !== call || point.when !== when) return undefined;
        killed.resolve();
        return new Promise(() => undefined);
      });
      const argv = ["migrate", "docker", "--apply", `--docker-socket=${between.socket}`];
      const program = await scene.host.start(["/opt/underlay/underlay", ...argv]);
      await Promise.race([killed.promise, program.exited]);
      program.kill("SIGKILL");
      expect(await program.exited).toBe(137);
    }

    test.each([...POINTS])(
      "$when dockerd's $call: the next run goes on",
      async (point) => {
        await old(...LAN, "lan");
        const was = await inspect("lan");
        await killedAt(point);
        expect(journal()).toBe(true);
        expect((await migrate("--apply")).code).toBe(0);
        const is = await inspect("lan");
        expect([same(is), is.Driver, journal()]).toEqual([same(was), DRIVER, false]);
        expect(await migrate("--apply")).toEqual({ code: 0, stdout: "nothing to move\n", stderr: "" });
      },
      60_000,
    );

    test("a dry run tells of it, with the command that ends it", async () => {
      await old(...LAN, "lan");
      const was = await inspect("lan");
      await killedAt({ call: "create", when: "before" });
      const { code, stdout } = await migrate("lan");
      expect([code, stdout]).toEqual([0, expect.stringContaining("a move was interrupted")]);
      await shell(stdout);
      const is = await inspect("lan");
      expect([same(is), is.Driver]).toEqual([same(was), DRIVER]);
      expect((await migrate("--apply", "lan")).code).toBe(0);
      expect(journal()).toBe(false);
    }, 60_000);
  });

  describe("exit codes", () => {
    test("4 for a name that Docker does not have, 5 for a network of another driver; nothing is moved", async () => {
      await old(...LAN, "lan");
      expect(await migrate("--apply", "lan", "lam")).toMatchObject({
        code: 4,
        stderr: "underlay: Docker has no network lam, did you mean lan?\n",
      });
      expect(await migrate("--apply", "lan", "none")).toMatchObject({
        code: 5,
        stderr: expect.stringContaining("network none is of the driver null"),
      });
      expect((await inspect("lan")).Driver).toBe("macvlan");
    }, 60_000);

    test("6 in one line for who may not ask dockerd", async () => {
      const nobody = [
        "setpriv",
        "--reuid=65534",
        "--clear-groups",
        "/opt/underlay/underlay",
        "migrate",
        "docker",
      ];
      const { code, stderr } = await scene.host.run(nobody);
      expect([code, stderr]).toEqual([
        6,
        expect.stringMatching(/^underlay: [^\n]*docker\.sock[^\n]*run as root\n$/),
      ]);
      const { code: applied, stderr: said } = await scene.host.run([...nobody, "--apply"]);
      expect([applied, said]).toEqual([6, expect.stringMatching(/^underlay: [^\n]*run as root\n$/)]);
    }, 60_000);

    test("3 when our daemon does not run and --apply needs it; without it the plan is told with a warning", async () => {
      await old(...LAN, "lan");
      await scene.underlay.stop();
      expect(await migrate("--apply")).toMatchObject({
        code: 3,
        stderr: expect.stringContaining("daemon is not running"),
      });
      const plan = await migrate();
      await scene.underlay.start();
      expect([plan.code, plan.stderr]).toEqual([0, expect.stringContaining("daemon is not running")]);
      expect(plan.stdout).toContain("docker network create -d underlay-macvlan");
      expect((await inspect("lan")).Driver).toBe("macvlan");
    }, 60_000);

    test("3 when dockerd does not run", async () => {
      await scene.dockerd.stop();
      for (const args of [[], ["--apply"]])
        expect(await migrate(...args)).toMatchObject({
          code: 3,
          stderr: expect.stringContaining("dockerd does not answer"),
        });
      await scene.dockerd.start();
    }, 60_000);
  });
});
