import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { IMAGE } from "../ground/dockerd.ts";
import { AGES } from "../ground/engines.ts";
import { startRecorder } from "../ground/recorder.ts";
import { DRIVER, ROUTER, type Scene, startScene } from "../ground/scene.ts";

const IFNAME = "com.docker.network.endpoint.ifname";

/** An IPAM that has one address, wants to know for which MAC, and supplies the gateway without being asked. */
const IPAM = {
  "Plugin.Activate": { Implements: ["IpamDriver"] },
  "IpamDriver.GetCapabilities": { RequiresMACAddress: true, RequiresRequestReplay: false },
  "IpamDriver.GetDefaultAddressSpaces": { LocalDefaultAddressSpace: "l", GlobalDefaultAddressSpace: "g" },
  "IpamDriver.RequestPool": {
    PoolID: "p",
    Pool: "10.77.0.0/24",
    Data: { "com.docker.network.gateway": `${ROUTER.v4}/24` },
  },
  "IpamDriver.RequestAddress": { Address: "10.77.0.7/24" },
};

// What Moby's other integration tests hold of any driver, and of remote ones, held of ours; conformance.ts is the list.
describe.each([...AGES])("any driver as Moby tests it, on the %s dockerd", (age) => {
  const things = disposedAfterAll();
  let scene: Scene;

  beforeAll(async () => {
    scene = things.use(await startScene(age));
  }, 600_000);
  afterEach(() => scene.clear());

  const isOld = age === "oldest";
  const docker = (...args: string[]) => scene.dockerd.docker(...args);
  const refused = async (...args: string[]) => {
    const { code, stdout, stderr } = await scene.dockerd.tryDocker(args);
    if (code === 0) throw new Error(`docker ${args.join(" ")} succeeded: ${stdout}`);
    return stderr;
  };
  const create = ["network", "create", "-d", DRIVER, "-o", "parent=lan0"];
  /** `net77`: 10.77.0.0/24 with the gateway 10.77.0.1. */
  const network = (number: number) =>
    scene.network("--subnet", `10.${number}.0.0/24`, "--gateway", `10.${number}.0.1`, `net${number}`);
  const links = async () => (await scene.exec("web", "ls", "/sys/class/net")).split(/\s+/).sort();
  const gateway = async () =>
    /^default via (\S+) /m.exec(await scene.exec("web", "ip", "route"))?.[1] ?? "none";

  describe("which network is the way out", () => {
    test("TestCreateWithPriority: the one with the highest priority, whatever their order", async () => {
      for (const number of [71, 72, 73]) await network(number);
      const wish = (number: number, priority: number) => [
        "--network",
        `name=net${number},gw-priority=${priority}`,
      ];
      if (isOld)
        return expect(await refused("run", "-d", ...wish(71, 1), IMAGE, "true")).toContain(
          "invalid field key gw-priority",
        );
      for (const priorities of [
        [0, 10, 5],
        [-1, -2, -3],
      ]) {
        await scene.container("web", ...priorities.flatMap((priority, i) => wish(71 + i, priority)));
        expect(await gateway()).toBe(priorities[1] === 10 ? "10.72.0.1" : "10.71.0.1");
        await docker("rm", "-f", "web");
      }
    });

    test("TestConnectWithPriority: it changes with what is connected and disconnected", async () => {
      for (const number of [71, 72, 73]) await network(number);
      await scene.container("web", "--network", "net71");
      const connect = ["network", "connect", "--gw-priority"];
      if (isOld) return expect(await refused(...connect, "1", "net72", "web")).toContain("unknown flag");
      await docker(...connect, "-1", "net72", "web");
      expect(await gateway()).toBe("10.71.0.1");
      await docker(...connect, "10", "net73", "web");
      expect(await gateway()).toBe("10.73.0.1");
      await docker("network", "disconnect", "net73", "web");
      expect(await gateway()).toBe("10.71.0.1");
      await docker("network", "disconnect", "net71", "web");
      expect(await gateway()).toBe("10.72.0.1");
      await docker(...connect, "1", "net71", "web");
      expect(await gateway()).toBe("10.71.0.1");
    });
  });

  // dockerds up to 28.5 read no name from a plugin and number the prefix that it gives, so none is ever taken.
  describe("a name for the link in the container", () => {
    const named = (number: number, name: string) => [
      "--network",
      `name=net${number},driver-opt=${IFNAME}=${name}`,
    ];
    const connect = (number: number, name: string) =>
      docker("network", "connect", "--driver-opt", `${IFNAME}=${name}`, `net${number}`, "web");

    test("TestCustomIfnameCollidesWithExistingIface: it is not given, so the same name twice does no harm", async () => {
      await network(71);
      await network(72);
      await scene.container("web", ...named(71, "foobar"));
      await connect(72, "foobar");
      expect(await links()).toEqual(["eth0", "eth1", "lo"]);
    });

    test("TestCustomIfnameWithMatchingDynamicPrefix: one like Docker's own names is not in their way", async () => {
      for (const number of [71, 72, 73]) await network(number);
      await scene.container("web", ...named(71, "eth3"));
      await connect(72, "eth0");
      await docker("network", "connect", "net73", "web");
      expect(await links()).toEqual(["eth0", "eth1", "eth2", "lo"]);
    });

    test("TestCustomIfnameIsPreservedOnLiveRestore: the link keeps the name that it has", async () => {
      await network(77);
      await network(72);
      await scene.container("web", ...named(77, "foobar"));
      await scene.dockerd.kill9();
      await scene.dockerd.start({ liveRestore: true, withinMs: 60_000 });
      expect(await links()).toEqual(["eth0", "lo"]);
      expect(await scene.pings("web", ROUTER.v4)).toBe(true);
      await connect(72, "barfoo");
      expect(await links()).toEqual(["eth0", "eth1", "lo"]);
      await docker("network", "disconnect", "net72", "web");
      expect(await links()).toEqual(["eth0", "lo"]);
    }, 120_000);
  });

  describe("a container that goes on when a network is disconnected", () => {
    /** Links of which dockerd has counters. */
    const counted = async () => {
      const path = "http://docker/containers/web/stats?stream=false&one-shot=true";
      const reply = await fetch(path, { unix: scene.host.outside("/run/docker.sock") });
      const stats: { networks?: object; message?: string } = JSON.parse(await reply.text());
      return stats.message ?? Object.keys(stats.networks ?? {}).sort();
    };

    test("its other links are counted as before, and the next one has the number that came free", async () => {
      for (const number of [71, 72]) await network(number);
      await scene.container("web", "--network", "net71");
      for (const time of [1, 2]) {
        await docker("network", "connect", "net72", "web");
        // 20.10 gives no number twice.
        expect(await counted()).toEqual(["eth0", isOld ? `eth${time}` : "eth1"]);
        await docker("network", "disconnect", "net72", "web");
        expect(await links()).toEqual(["eth0", "lo"]);
        expect(await counted()).toEqual(["eth0"]);
      }
      await docker("network", "disconnect", "net71", "web");
      expect(await links()).toEqual(["lo"]);
      await docker("network", "connect", "net71", "web");
      expect(await counted()).toEqual([isOld ? "eth3" : "eth0"]);
      expect(await scene.links()).toEqual(["lan0", "lo"]);
    });
  });

  describe("with an IPAM of somebody else's", () => {
    test("CustomIPAM: its address, its gateway and the MAC that it was told of are the container's, and given back", async () => {
      await using ipam = startRecorder(scene.host, "other-ipam", IPAM);
      await docker(...create, "--ipam-driver", "other-ipam", "net77");
      await scene.container("web", "--network", "net77");
      const told = ipam.bodies("IpamDriver.RequestAddress").at(-1);
      const mac = await scene.exec("web", "cat", "/sys/class/net/eth0/address");
      expect(told).toMatchObject({ Options: { "com.docker.network.endpoint.macaddress": mac } });
      expect(await scene.exec("web", "ip", "-o", "-4", "address", "show", "eth0")).toContain("10.77.0.7/24");
      expect(await gateway()).toBe(ROUTER.v4);
      expect(await scene.pings("web", ROUTER.v4)).toBe(true);
      await scene.clear();
      expect(ipam.bodies("IpamDriver.ReleaseAddress")).toContainEqual({ PoolID: "p", Address: "10.77.0.7" });
      expect(ipam.bodies("IpamDriver.ReleasePool")).toEqual([{ PoolID: "p" }]);
      expect(await scene.records()).toMatchObject({ networks: [], endpoints: [] });
    });

    test("IPAMOptions: what is for the IPAM is not taken for an option of the driver", async () => {
      await using ipam = startRecorder(scene.host, "more-ipam", IPAM);
      const options = ["--ipam-opt", "opt1=drv1", "--ipam-opt", "opt2=drv2"];
      await docker(...create, "--ipam-driver", "more-ipam", ...options, "net77");
      expect(ipam.bodies("IpamDriver.RequestPool")).toMatchObject([
        { Options: { opt1: "drv1", opt2: "drv2" } },
      ]);
      expect(JSON.parse(await docker("network", "inspect", "net77"))).toMatchObject([
        { IPAM: { Driver: "more-ipam", Options: { opt1: "drv1", opt2: "drv2" } } },
      ]);
      await docker("network", "rm", "net77");
    });
  });

  test("IPAMMultipleNetworks: subnets that overlap are refused, many on one network are kept with all that they have", async () => {
    await network(71);
    for (const subnet of ["10.71.0.0/24", "10.71.0.0/16", "10.71.0.128/25"])
      expect(await refused(...create, "--subnet", subnet, "other")).toContain("Pool overlaps");
    const Config = [
      {
        Subnet: "10.72.0.0/24",
        Gateway: "10.72.0.5",
        AuxiliaryAddresses: { a: "10.72.0.6", b: "10.72.0.7" },
      },
      { Subnet: "10.73.0.0/24", IPRange: "10.73.0.0/26", Gateway: "10.73.0.100" },
      { Subnet: "10.74.0.0/24", Gateway: "10.74.0.1", AuxiliaryAddresses: { c: "10.74.0.9" } },
    ];
    const args = Config.flatMap(({ Subnet, IPRange, Gateway, AuxiliaryAddresses = {} }) => [
      ...["--subnet", Subnet, "--gateway", Gateway, ...(IPRange ? ["--ip-range", IPRange] : [])],
      ...Object.entries(AuxiliaryAddresses).flatMap(([name, ip]) => ["--aux-address", `${name}=${ip}`]),
    ]);
    await scene.network(...args, "many");
    const [many] = JSON.parse(await docker("network", "inspect", "many"));
    const bySubnet = (one: { Subnet: string }, two: { Subnet: string }) =>
      one.Subnet.localeCompare(two.Subnet);
    expect(many.IPAM.Config.sort(bySubnet)).toEqual(Config);
    expect((await scene.records()).networks).toHaveLength(2);
    await scene.container("web", "--network", "many", "--ip", "10.73.0.200");
    expect(await gateway()).toBe("10.73.0.100");
  });

  const V6 = (number: number) => ["--ipv6", "--subnet", `fd${number}::/64`];

  test("ConnectPreferredIP: chosen addresses of both families stay over stop and start, and reconnecting", async () => {
    for (const number of [71, 72])
      await scene.network("--subnet", `10.${number}.0.0/24`, ...V6(number), `net${number}`);
    await scene.container("web", "--network", "net71", "--ip", "10.71.0.40", "--ip6", "fd71::40");
    await docker("network", "connect", "--ip", "10.72.0.40", "--ip6", "fd72::40", "net72", "web");
    const addresses = async () => {
      const shown = await scene.exec("web", "ip", "-o", "address");
      return [...shown.matchAll(/inet6? ((?:10\.|fd)\S+)/g)].map(([, address]) => address).sort();
    };
    const both = ["10.71.0.40/24", "10.72.0.40/24", "fd71::40/64", "fd72::40/64"];
    expect(await addresses()).toEqual(both);
    await docker("restart", "web");
    expect(await addresses()).toEqual(both);
    await docker("stop", "web");
    await docker("network", "disconnect", "net72", "web");
    await docker("network", "connect", "--ip", "10.72.0.41", "--ip6", "fd72::41", "net72", "web");
    await docker("start", "web");
    expect(await addresses()).toEqual(["10.71.0.40/24", "10.72.0.41/24", "fd71::40/64", "fd72::41/64"]);
  });

  test("UnsupportedRequiredIP: an address can be chosen only where the user chose the subnet", async () => {
    await scene.network("any");
    const run = ["run", "--rm", "--network", "any", "--ip", "172.30.55.44", IMAGE, "true"];
    expect(await refused(...run)).toContain(
      "user specified IP address is supported only when connecting to networks with user configured subnets",
    );
    expect(await scene.records()).toMatchObject({ endpoints: [] });
  });

  test("ConnectLinkLocalIP: a link-local address is the link's second one, any other is refused", async () => {
    await network(77);
    await scene.container("web", "--network", "net77", "--ip", "10.77.0.9", "--link-local-ip", "169.254.7.7");
    const shown = await scene.exec("web", "ip", "-o", "-4", "address", "show", "eth0");
    expect([...shown.matchAll(/inet (\S+)/g)].map(([, address]) => address)).toEqual([
      "10.77.0.9/24",
      "169.254.7.7/16",
    ]);
    await network(72);
    const connect = ["network", "connect", "--link-local-ip", "169.253.5.5", "net72", "web"];
    expect(await refused(...connect)).toMatch(/invalid link local|link-local/i);
  });

  // Ours is a plugin of the first kind: a program of the host's, which keeps its links over a restart of dockerd. It is
  // in no registry, and has no tag.
  test("PluginV2NetworkDriver: it is found by its name alone, and is none of Docker's managed plugins", async () => {
    const tagged = ["network", "create", "-d", `${DRIVER}:latest`, "-o", "parent=lan0", "tagged"];
    expect(await refused(...tagged)).toContain(`plugin "${DRIVER}:latest" not found`);
    expect(await docker("plugin", "ls", "--quiet")).toBe("");
    expect(await docker("info", "--format", "{{json .Plugins.Network}}")).not.toContain(":latest");
  });
});
