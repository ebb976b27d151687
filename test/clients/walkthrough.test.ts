import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { IMAGE } from "../ground/dockerd.ts";
import { AGES } from "../ground/engines.ts";
import { advertise, serveNames } from "../ground/router.ts";
import { DRIVER, ROUTER, type Scene, startScene } from "../ground/scene.ts";
import { until } from "../ground/until.ts";

const HOST_ON_LAN = "10.77.0.2/24";

// What the field's tutorials do with a macvlan network, word for word but for the driver's name.
describe.each([...AGES])("the classic walk-through on the %s dockerd", (age) => {
  const things = disposedAfterAll();
  let scene: Scene;

  beforeAll(async () => {
    scene = things.use(await startScene(age));
  }, 600_000);

  const docker = (...args: string[]) => scene.dockerd.docker(...args);
  const format = (name: string, template: string) => docker("inspect", "--format", template, name);

  describe.each([
    { parent: "without an address", addresses: [] },
    { parent: "with an address", addresses: [HOST_ON_LAN] },
  ])("one network on a parent $parent, addresses chosen and given", ({ addresses }) => {
    const hostHas = (verb: "add" | "del") =>
      scene.host.must(["ip", "address", verb, HOST_ON_LAN, "dev", "lan0"]);

    beforeAll(async () => {
      if (addresses.length > 0) await hostHas("add");
      const ipam = ["--subnet", "10.77.0.0/24", "--gateway", ROUTER.v4, "--ip-range", "10.77.0.128/25"];
      await scene.network(...ipam, "--aux-address", "nas=10.77.0.129", "lan");
      await scene.container("web", "--network", "lan", "--network-alias", "www");
      await scene.container("db", "--network", "lan");
      await scene.container(
        "old",
        "--network",
        "lan",
        "--ip",
        "10.77.0.7",
        "--mac-address",
        "02:00:5e:00:53:07",
      );
    }, 60_000);
    afterAll(async () => {
      await scene.clear();
      if (addresses.length > 0) await hostHas("del");
    });

    test("the range starts at .128, the auxiliary address is left out, a chosen one may lie outside", async () => {
      const address = "{{.NetworkSettings.Networks.lan.IPAddress}}";
      const given = await Promise.all(["web", "db", "old"].map((name) => format(name, address)));
      expect(given).toEqual(["10.77.0.128", "10.77.0.130", "10.77.0.7"]);
    });

    test("containers reach each other and the router, and the router reaches them", async () => {
      expect(await scene.pings("web", "10.77.0.130")).toBe(true);
      expect(await scene.pings("db", "10.77.0.7")).toBe(true);
      expect(await scene.pings("old", ROUTER.v4)).toBe(true);
      await scene.host.router(["busybox", "ping", "-c1", "-W2", "10.77.0.128"]);
    });

    test("inside there are lo and eth0, the LAN's route and a default route to its router", async () => {
      expect((await scene.exec("web", "ls", "/sys/class/net")).split(/\s+/).sort()).toEqual(["eth0", "lo"]);
      const routes = (await scene.exec("web", "ip", "route")).split("\n").map((line) => line.trim());
      expect(routes.sort()).toEqual([
        "10.77.0.0/24 dev eth0 scope link  src 10.77.0.128",
        `default via ${ROUTER.v4} dev eth0`,
      ]);
    });

    test("the host has no link more than before: no docker_gwbridge", async () => {
      expect(await scene.links()).toEqual(["lan0", "lo"]);
    });

    test("MacInspect: inspect tells the address, the gateway and the MAC that the kernel has", async () => {
      const seen = await scene.exec("web", "cat", "/sys/class/net/eth0/address");
      expect(await format("web", "{{.NetworkSettings.Networks.lan.MacAddress}}")).toBe(seen);
      expect(await format("web", "{{.NetworkSettings.Networks.lan.Gateway}}")).toBe(ROUTER.v4);
      expect(await scene.exec("old", "cat", "/sys/class/net/eth0/address")).toBe("02:00:5e:00:53:07");
      expect(await docker("network", "inspect", "--format", "{{.Driver}} {{len .Containers}}", "lan")).toBe(
        `${DRIVER} 3`,
      );
    });

    test("a container that is made anew has the MAC it had", async () => {
      const before = await scene.exec("db", "cat", "/sys/class/net/eth0/address");
      await docker("rm", "-f", "db");
      await scene.container("db", "--network", "lan", "--ip", "10.77.0.130");
      expect(await scene.exec("db", "cat", "/sys/class/net/eth0/address")).toBe(before);
      await docker("restart", "db");
      expect(await scene.exec("db", "cat", "/sys/class/net/eth0/address")).toBe(before);
    });

    test("names and aliases resolve, and so do names that the LAN's server knows", async () => {
      expect(await scene.exec("db", "ping", "-c1", "-W2", "web")).toContain("10.77.0.128");
      expect(await scene.exec("db", "ping", "-c1", "-W2", "www")).toContain("10.77.0.128");
      await using _server = await serveNames(scene.host, ROUTER.v4, "10.77.0.200");
      const lookup = await docker(
        ...["run", "--rm", "--network", "lan", "--dns", ROUTER.v4],
        ...[IMAGE, "nslookup", "-type=a", "printer.lan."],
      );
      expect(lookup).toContain("10.77.0.200");
    });

    test("expected to fail: a container and its own host's address on the parent", async () => {
      if (addresses.length === 0) await hostHas("add");
      expect(await scene.pings("web", HOST_ON_LAN.replace("/24", ""))).toBe(false);
      expect(await scene.pings("web", ROUTER.v4)).toBe(true);
      if (addresses.length === 0) await hostHas("del");
    });

    test("a second network is connected and disconnected while the container runs", async () => {
      await scene.network("--subnet", "10.79.0.0/24", "back");
      await scene.container("other", "--network", "back");
      await docker("network", "connect", "--ip", "10.79.0.40", "--alias", "front", "back", "web");
      expect(await scene.exec("web", "ip", "-o", "address", "show", "eth1")).toContain("10.79.0.40/24");
      expect(await scene.exec("other", "ping", "-c1", "-W2", "front")).toContain("10.79.0.40");
      await docker("network", "disconnect", "-f", "back", "web");
      expect((await scene.exec("web", "ls", "/sys/class/net")).split(/\s+/).sort()).toEqual(["eth0", "lo"]);
      expect(await scene.pings("web", ROUTER.v4)).toBe(true);
      await docker("rm", "-f", "other");
      await docker("network", "rm", "back");
      expect(await scene.links()).toEqual(["lan0", "lo"]);
    });

    test("prune takes what is unused, and a network can be removed by its id", async () => {
      await scene.network("--subnet", "10.80.0.0/24", "unused");
      const pruned = await docker("network", "prune", "-f");
      expect(pruned).toContain("unused");
      expect(pruned).not.toContain("lan");
      const used = await scene.dockerd.tryDocker(["network", "rm", "lan"]);
      expect(used.stderr).toContain("has active endpoints");
      await docker("rm", "-f", "web", "db", "old");
      await docker("network", "rm", await docker("network", "inspect", "--format", "{{.Id}}", "lan"));
      expect(await scene.records()).toMatchObject({ networks: [], endpoints: [] });
      expect(await scene.links()).toEqual(["lan0", "lo"]);
    });
  });

  describe("each on its own", () => {
    afterEach(() => scene.clear());

    test("MultiSubnetWithParent: two subnets of each family, each with the gateway that it was given, if one was", async () => {
      const v4 = ["--subnet", "10.81.0.0/24", "--subnet", "10.82.0.0/24", "--gateway", "10.82.0.254"];
      const v6 = ["--subnet", "fd81::/64", "--subnet", "fd82::/64", "--gateway", "fd82::254"];
      await scene.network(...v4, "--ipv6", ...v6, "dual");
      const start = (name: string, subnet: number, host: number) =>
        scene.container(
          name,
          ...["--network", "dual", "--ip", `10.${subnet}.0.${host}`, "--ip6", `fd${subnet}::${host}`],
        );
      await start("one", 81, 5);
      await start("two", 81, 6);
      await start("three", 82, 5);
      await start("four", 82, 6);
      const defaults = async (name: string) => {
        const routes = [await scene.exec(name, "ip", "route"), await scene.exec(name, "ip", "-6", "route")];
        return [...routes.join("\n").matchAll(/^default via (\S+) dev eth0/gm)].map(([, gateway]) => gateway);
      };
      // 20.10 takes the first address of a subnet without a gateway for one.
      expect(await defaults("one")).toEqual(age === "oldest" ? ["10.81.0.1", "fd81::1"] : []);
      expect(await defaults("three")).toEqual(["10.82.0.254", "fd82::254"]);
      for (const near of ["10.81.0.6", "fd81::6"]) expect(await scene.pings("one", near)).toBe(true);
      for (const near of ["10.82.0.6", "fd82::6"]) expect(await scene.pings("three", near)).toBe(true);
      // Nobody routes between the two: expected to fail.
      for (const far of ["10.82.0.5", "fd82::5"]) expect(await scene.pings("one", far)).toBe(false);
    });

    test("InternalMode: an internal network has no way out", async () => {
      await scene.network("--internal", "--subnet", "10.77.0.0/24", "inner");
      await scene.container("in1", "--network", "inner", "--ip", "10.77.0.11");
      await scene.container("in2", "--network", "inner", "--ip", "10.77.0.12");
      expect(await scene.pings("in1", "10.77.0.12")).toBe(true);
      expect(await scene.exec("in1", "ip", "route")).not.toContain("default");
      const outside = await scene.dockerd.tryDocker(["exec", "in1", "ping", "-c1", "-W2", "192.0.2.1"]);
      expect(outside.stderr).toContain("Network is unreachable");
      expect(await scene.links()).toEqual(["lan0", "lo"]);
    });

    test("the MTU option reaches the container", async () => {
      await scene.network("-o", "com.docker.network.driver.mtu=1400", "--subnet", "10.77.0.0/24", "small");
      const link = await docker("run", "--rm", "--network", "small", IMAGE, "cat", "/sys/class/net/eth0/mtu");
      expect(link).toBe("1400");
      await docker("network", "rm", "small");
    });

    test("NullIPAMDriver: a network without IPAM gives a link without an address", async () => {
      await scene.network("--ipam-driver", "null", "bare");
      await scene.container("bare1", "--network", "bare");
      expect(await scene.exec("bare1", "ip", "-4", "address", "show", "eth0")).not.toContain("inet ");
      expect(await scene.exec("bare1", "ip", "link", "show", "eth0")).toContain("LOWER_UP");
      expect((await scene.exec("bare1", "ls", "/sys/class/net")).split(/\s+/).sort()).toEqual(["eth0", "lo"]);
    });

    test("private keeps containers apart, vepa sends everything to the switch, both reach the router", async () => {
      for (const mode of ["private", "vepa"]) {
        const ipam = ["--subnet", "10.77.0.0/24", "--gateway", ROUTER.v4];
        await scene.network("-o", `macvlan_mode=${mode}`, ...ipam, mode);
        await scene.container(`${mode}1`, "--network", mode, "--ip", "10.77.0.21");
        await scene.container(`${mode}2`, "--network", mode, "--ip", "10.77.0.22");
        expect(await scene.pings(`${mode}1`, ROUTER.v4)).toBe(true);
        expect(await scene.pings(`${mode}1`, "10.77.0.22")).toBe(false);
        await scene.clear();
      }
    });

    test("a router advertisement gives a second address and a second default route, and nothing where IPv6 is off", async () => {
      await scene.network(
        "--ipv6",
        "--subnet",
        "10.77.0.0/24",
        "--subnet",
        "fd77::/64",
        "--gateway",
        ROUTER.v6,
        "ra",
      );
      await scene.container("with6", "--network", "ra", "--ip6", "fd77::9");
      await scene.network("--subnet", "10.78.0.0/24", "nora");
      await scene.container("without6", "--network", "nora");
      const addresses = () => scene.exec("with6", "ip", "-6", "address", "show", "eth0");
      await until("an autonomous address", async () => {
        await advertise(scene.host, "fd99::/64");
        return (await addresses()).includes("fd99:");
      });
      expect(await addresses()).toContain("fd77::9/64");
      const routes = (await scene.exec("with6", "ip", "-6", "route")).split("\n");
      expect(routes.filter((route) => route.startsWith("default"))).toEqual([
        expect.stringContaining(`via ${ROUTER.v6} dev eth0`),
        expect.stringContaining("via fe80:"),
      ]);
      expect(await scene.exec("without6", "ip", "-6", "address", "show", "eth0")).toBe("");
    });

    test("Compose's network section", async () => {
      await Bun.write(scene.host.outside("/tmp/walk/docker-compose.yml"), COMPOSE);
      const compose = (...args: string[]) =>
        scene.host.must(
          ["sh", "-c", COMPOSE_PROGRAM, "-p", "walk", "-f", "/tmp/walk/docker-compose.yml", ...args],
          {
            env: { DOCKER_HOST: "unix:///run/docker.sock" },
            timeoutMs: 60_000,
          },
        );
      await compose("up", "-d");
      const web = await compose("ps", "-q", "web");
      expect(await scene.exec(web, "ip", "-o", "-4", "address", "show", "eth0")).toContain("10.77.0.80/24");
      expect(await scene.exec(await compose("ps", "-q", "db"), "ping", "-c1", "-W2", "site")).toContain(
        "10.77.0.80",
      );
      await compose("down");
      expect(await scene.links()).toEqual(["lan0", "lo"]);
      expect(await scene.records()).toMatchObject({ networks: [], endpoints: [] });
    });
  });
});

/** Compose is a program of its own or a plugin of the client; `-p` of the arguments is $0. */
const COMPOSE_PROGRAM =
  'command -v docker-compose >/dev/null && exec docker-compose "$0" "$@"; exec docker compose "$0" "$@"';

const LASTING_IN_YAML = `["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done"]`;

const COMPOSE = `
version: "2.4"
services:
  web:
    image: ${IMAGE}
    command: ${LASTING_IN_YAML}
    networks:
      lan:
        ipv4_address: 10.77.0.80
        aliases: [site]
  db:
    image: ${IMAGE}
    command: ${LASTING_IN_YAML}
    networks: [lan]
networks:
  lan:
    driver: ${DRIVER}
    driver_opts:
      parent: lan0
      macvlan_mode: bridge
    ipam:
      config:
        - subnet: 10.77.0.0/24
          gateway: ${ROUTER.v4}
          ip_range: 10.77.0.64/27
          aux_addresses:
            nas: 10.77.0.65
`;
