import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { IMAGE } from "../ground/dockerd.ts";
import { AGES } from "../ground/engines.ts";
import { serveNames } from "../ground/router.ts";
import { DRIVER, ROUTER, type Scene, startScene } from "../ground/scene.ts";

// What Moby's integration/network/macvlan holds of its built-in driver, held of ours; conformance.ts is the list of it.
// A test that begins with a name of Moby's means what that one means. Where the outcome is another, it says why.
// Of two differences most follow: 20.10 gives every network a gateway, asked or not; and a plugin cannot say, as the
// built-in drivers do, that a network without a gateway has a way out.
describe.each([...AGES])("macvlan as Moby tests it, on the %s dockerd", (age) => {
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
  const lines = async (container: string, ...argv: string[]) =>
    (await scene.exec(container, ...argv)).split("\n").map((line) => line.trim());
  const defaults = async (container: string, family: "-4" | "-6") =>
    (await lines(container, "ip", family, "route")).filter((line) => line.startsWith("default"));

  test("Addressing: without a gateway no default route, with one it is through eth0, each family alone", async () => {
    const v4 = ["--subnet", "10.77.0.0/24"];
    await scene.network(...v4, "--ipv6", "--subnet", "fd77::/64", "--gateway", ROUTER.v6, "dual");
    await scene.container("web", "--network", "dual", "--ip", "10.77.0.9");
    expect(await defaults("web", "-4")).toEqual(isOld ? ["default via 10.77.0.1 dev eth0"] : []);
    expect(await defaults("web", "-6")).toEqual([
      expect.stringContaining(`default via ${ROUTER.v6} dev eth0`),
    ]);
  });

  const v6Of = async (link: string) => (await lines("web", "ip", "-6", "address", "show", link)).join(" ");
  const v4Of = async (link: string) => (await lines("web", "ip", "-4", "address", "show", link)).join(" ");
  const V4 = ["--subnet", "10.77.0.0/24", "--gateway", ROUTER.v4];
  const V6 = ["--ipv6", "--subnet", "fd77::/64", "--gateway", ROUTER.v6];

  test.each([
    { families: "both", ipv4: true, ipv6: true, ipam: [...V4, ...V6] },
    { families: "IPv4 alone", ipv4: true, ipv6: false, ipam: V4 },
    { families: "IPv6 alone", ipv4: false, ipv6: true, ipam: ["--ipv4=false", ...V6] },
    { families: "neither", ipv4: false, ipv6: false, ipam: ["--ipv4=false"] },
  ])("TestMacvlanIPAM: $families, and nothing of a family that is off", async ({ ipv4, ipv6, ipam }) => {
    if (isOld && !ipv4) {
      const create = ["network", "create", "-d", DRIVER, "-o", "parent=lan0"];
      expect(await refused(...create, ...ipam, "families")).toContain("unknown flag: --ipv4");
      return;
    }
    await scene.network(...ipam, "families");
    await scene.container("web", "--network", "families");
    expect((await v4Of("eth0")).includes("inet ")).toBe(ipv4);
    expect((await v6Of("eth0")).includes("inet6 fd77:")).toBe(ipv6);
    expect((await v6Of("eth0")).includes("inet6 ")).toBe(ipv6);
    expect(await scene.exec("web", "cat", "/proc/sys/net/ipv6/conf/eth0/disable_ipv6")).toBe(
      ipv6 ? "0" : "1",
    );
    // 20.10 turns it off for the whole container, loopback too.
    expect((await v6Of("lo")).includes("inet6 ::1/128")).toBe(ipv6 || !isOld);
    if (ipv4) expect(await scene.pings("web", ROUTER.v4)).toBe(true);
    if (ipv6) expect(await scene.pings("web", ROUTER.v6)).toBe(true);
  });

  // Moby asks `network inspect` for the counts, which neither age tells; so they are counted by using them up.
  test("TestMacvlanIPAM: subnet, gateway, broadcast and what is auxiliary in the range are not handed out", async () => {
    const aux = ["--aux-address", "in=10.77.0.4", "--aux-address", "out=10.77.0.100"];
    await scene.network(
      "--subnet",
      "10.77.0.0/24",
      "--ip-range",
      "10.77.0.0/29",
      ...aux,
      "--gateway",
      ROUTER.v4,
      "few",
    );
    const addresses = [];
    for (const name of ["one", "two", "three", "four", "five"]) {
      await scene.container(name, "--network", "few");
      addresses.push(await docker("inspect", "-f", "{{.NetworkSettings.Networks.few.IPAddress}}", name));
    }
    expect(addresses).toEqual(["2", "3", "5", "6", "7"].map((last) => `10.77.0.${last}`));
    expect(await refused("run", "--rm", "--network", "few", IMAGE, "true")).toMatch(
      /no available (IPv4 )?address/,
    );
    expect(await refused("run", "--rm", "--network", "few", "--ip", "10.77.0.100", IMAGE, "true")).toContain(
      "Address already in use",
    );
  });

  test("TestMacvlanIPAMOverlap: three networks of one subnet with ranges of their own never give an address twice", async () => {
    const parts = [
      { name: "low", range: "10.77.0.0/26", gateway: "10.77.0.1", first: "10.77.0.2" },
      { name: "middle", range: "10.77.0.64/26", gateway: "10.77.0.65", first: "10.77.0.64" },
      { name: "high", range: "10.77.0.128/25", gateway: "10.77.0.129", first: "10.77.0.128" },
    ];
    for (const { name, range, gateway } of parts)
      await scene.network("--subnet", "10.77.0.0/24", "--ip-range", range, "--gateway", gateway, name);
    for (const { name, first } of parts) {
      await scene.container(`in-${name}`, "--network", name);
      const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
      expect(await docker("inspect", "-f", format, `in-${name}`)).toBe(first);
    }
    // One LAN, whichever of the networks they are on.
    expect(await scene.pings("in-low", "10.77.0.64")).toBe(true);
    expect(await scene.pings("in-high", "10.77.0.2")).toBe(true);
    const taken = ["run", "--rm", "--network", "high", "--ip", "10.77.0.2", IMAGE, "true"];
    expect(await refused(...taken)).toContain("Address already in use");
    const create = ["network", "create", "-d", DRIVER, "-o", "parent=lan0", "--subnet", "10.77.0.0/24"];
    expect(await refused(...create, "--ip-range", "10.77.0.64/26", "again")).toContain("Pool overlaps");
    expect(
      await refused(...create, "--ip-range", "10.77.0.32/27", "--gateway", "10.77.0.1", "again"),
    ).toContain("Address already in use");
  });

  // A container's name servers are those of `--dns`, asked from inside it, or the host's. Docker 28 asks the host's from
  // the host, and only for a network with a way out; it takes the built-in driver's word for that (ForceGw4), for which
  // the plugin protocol has none, and of ours believes in a gateway alone.
  describe.each([
    { network: "with a gateway", args: ["--gateway", ROUTER.v4], hasWayOut: true },
    { network: "without a gateway", args: [], hasWayOut: isOld },
    { network: "that is internal", args: ["--internal"], hasWayOut: isOld },
  ])("TestMACVlanDNS: on a network $network", ({ args, hasWayOut }) => {
    test.each([
      { server: "of --dns", dns: ["--dns", ROUTER.v4], found: true },
      { server: "of the host", dns: [], found: hasWayOut },
    ])(
      "TestMACVlanDNS: names outside are found ($found) by the name server $server",
      async ({ dns, found }) => {
        await using _server = await serveNames(scene.host, ROUTER.v4, "10.77.0.200");
        await Bun.write(scene.host.outside("/etc/resolv.conf"), `nameserver ${ROUTER.v4}\n`);
        await scene.host.must(["ip", "address", "add", "10.77.0.2/24", "dev", "lan0"]);
        await scene.network("--subnet", "10.77.0.0/24", ...args, "lan");
        await scene.container("web", "--network", "lan", "--ip", "10.77.0.9", ...dns);
        expect(await scene.pings("web", ROUTER.v4)).toBe(true);
        const { stdout } = await scene.dockerd.tryDocker([
          "exec",
          "web",
          "nslookup",
          "-type=a",
          "printer.lan.",
        ]);
        expect(stdout).toContain(found ? "10.77.0.200" : "SERVFAIL");
        await scene.host.must(["ip", "address", "del", "10.77.0.2/24", "dev", "lan0"]);
      },
    );
  });

  test("TestPointToPoint: both addresses of a /31 are containers'; 20.10 makes none, for want of one for a gateway", async () => {
    const p2p = ["--internal", "--subnet", "10.78.0.0/31", "p2p"];
    if (isOld)
      return expect(await refused("network", "create", "-d", DRIVER, "-o", "parent=lan0", ...p2p)).toContain(
        "No available addresses on this pool",
      );
    await scene.network(...p2p);
    await scene.container("web", "--network", "p2p");
    await scene.container("db", "--network", "p2p");
    expect(await scene.pings("web", "10.78.0.1")).toBe(true);
    expect(await scene.pings("db", "10.78.0.0")).toBe(true);
  });

  // We answer the name with Join; dockerds up to 28.5 do not read it from a plugin and number the prefix.
  test("TestEndpointWithCustomIfname: a name that is asked for is taken and not yet given, the link is eth0", async () => {
    await scene.network("--subnet", "10.77.0.0/24", "--gateway", ROUTER.v4, "lan");
    const option = "driver-opt=com.docker.network.endpoint.ifname=foobar";
    await scene.container("web", "--network", `name=lan,${option}`);
    expect((await lines("web", "ls", "/sys/class/net")).sort()).toEqual(["eth0", "lo"]);
    expect(await scene.exec("web", "ip", "link", "show", "eth0")).toMatch(/eth0@if\d+/);
    expect(await scene.pings("web", ROUTER.v4)).toBe(true);
  });

  test("TestParentDown: a container with IPv6 starts on a TAP that is down, which is brought up for it", async () => {
    await scene.host.must(["ip", "tuntap", "add", "tap7", "mode", "tap"]);
    const ipam = ["--subnet", "10.77.0.0/24", ...V6];
    await docker("network", "create", "-d", DRIVER, "-o", "parent=tap7", ...ipam, "down");
    await scene.container("web", "--network", "down");
    expect(await v6Of("eth0")).toContain("inet6 fd77::2/64");
    // The built-in driver leaves it down, and the container without a LAN for no reason that is told anywhere.
    const [tap] = JSON.parse(await scene.host.must(["ip", "-j", "link", "show", "tap7"]));
    expect(tap.flags).toContain("UP");
    expect(await scene.underlay.cli("status")).toContain("UL-P03  tap7 has no carrier");
    await scene.clear();
    await scene.host.must(["ip", "link", "del", "tap7"]);
  });
});
