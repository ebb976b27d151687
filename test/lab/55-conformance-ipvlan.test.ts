import { expect } from "bun:test";
import { OUTSIDE, serveNames } from "./names.ts";
import { pairIn } from "./pair.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

/** What Moby's integration/network/ipvlan holds of its driver, held of ours; test/clients/conformance.ts is the list. */

const scenario = scenariosIn("newest");

const DRIVER = "underlay-ipvlan";
const ON_LAN = ["-d", DRIVER, "-o", "parent=lan0"];
const L3 = ["-o", "ipvlan_mode=l3"];
const ALONE = ["-d", DRIVER];

const isThere = async ({ guest }: Lab, link: string) => (await guest.run(`ip link show ${link}`)).code === 0;

scenario(
  "TestDockerNetworkIpvlanPersistence: a network on a VLAN that we made is there after a restart of dockerd",
  async (lab) => {
    const { guest, services } = lab;
    // The name server is the host's own: dockerd asks it from the host, for networks with a way out.
    await guest.must(`
    ip address add 10.77.0.2/24 dev lan0
    ip -n router address add 10.77.0.1/24 dev lan1
    echo 'nameserver 10.77.0.1' >/etc/resolv.conf`);
    await serveNames(lab);
    await services.underlay();
    const dockerd = await services.dockerd();
    await services.docker("network", "create", "-d", DRIVER, "-o", "parent=lan0.60", "persist");
    dockerd.signal("SIGTERM");
    await dockerd.ended;
    await services.dockerd("--live-restore");
    expect(await services.docker("network", "ls", "--format", "{{.Name}} {{.Driver}}")).toContain(
      `persist ${DRIVER}`,
    );
    expect(await isThere(lab, "lan0.60")).toBe(true);
    await services.docker("network", "rm", "persist");
    expect(await isThere(lab, "lan0.60")).toBe(false);
  },
);

scenario(
  "L2NilParent, TestIPVlanDNS: without a parent containers find each other by name, and no names outside",
  async (lab) => {
    await lab.services.image();
    await lab.services.docker("network", "create", ...ALONE, "alone");
    const pair = pairIn(lab);
    await pair.start("alone");
    await lab.services.docker("exec", "one", "ping", "-c1", "-W5", "two");
    expect(await pair.defaults("one")).toEqual([]);
    expect(await pair.lookUp("one")).toContain("SERVFAIL");
    await pair.leave("alone");
  },
  { containers: 2 },
);

scenario(
  "L2InternalMode, TestIPVlanDNS: an internal network has no way out, and no names outside",
  async (lab) => {
    const pair = pairIn(lab);
    await using _net = await pair.connect("inner", [...ON_LAN, "--internal", "--subnet", "10.81.0.0/24"]);
    expect(await pair.pingError("one", "8.8.8.8")).toContain("Network is unreachable");
    expect(await pair.pings("one", "10.81.0.2")).toEqual([true]);
    expect(await pair.lookUp("one")).toContain("SERVFAIL");
  },
);

const SUBNETS = [
  ...["--subnet", "10.81.0.0/24", "--subnet", "10.82.0.0/24", "--gateway", "10.82.0.254"],
  ...["--ipv6", "--subnet", "fd81::/64", "--subnet", "fd82::/64", "--gateway", "fd82::254"],
];
const at = (subnet: number, host: number) => [
  ...["--ip", `10.${subnet}.0.${host}`, "--ip6", `fd${subnet}::${host}`],
];

scenario(
  "L2MultiSubnetWithParent: two subnets of each family, a gateway only where it was given",
  async (lab) => {
    const pair = pairIn(lab);
    for (const { subnet, gateways } of [
      { subnet: 81, gateways: [] as string[] },
      { subnet: 82, gateways: ["via 10.82.0.254", "via fd82::254"] },
    ]) {
      const wishes = { one: at(subnet, 20), two: at(subnet, 21) };
      await using _net = await pair.connect("multi", [...ON_LAN, ...SUBNETS], wishes);
      expect(await pair.pings("one", `10.${subnet}.0.21`, `fd${subnet}::21`)).toEqual([true, true]);
      expect(await pair.defaults("one")).toEqual(gateways);
    }
  },
);

scenario(
  "L2MultiSubnetNoParent: two subnets of each family, and not even a gateway that was given",
  async (lab) => {
    const pair = pairIn(lab);
    const wishes = { one: at(82, 20), two: at(82, 21) };
    await using _net = await pair.connect("multi", [...ALONE, ...SUBNETS], wishes);
    expect(await pair.pings("one", "10.82.0.21", "fd82::21")).toEqual([true, true]);
    expect(await pair.defaults("one")).toEqual([]);
  },
);

scenario(
  "L2Gateway, TestIPVlanDNS: a gateway of IPv4 is used, of IPv6 there is none; names outside are found",
  async (lab) => {
    const pair = pairIn(lab);
    const v6 = ["--ipv6", "--subnet", "fd83::/64"];
    const create = [...ON_LAN, "--subnet", "10.83.0.0/24", "--gateway", "10.83.0.1", ...v6];
    await using _net = await pair.connect("gateway", create);
    expect(await pair.defaults("one")).toEqual(["via 10.83.0.1"]);
    expect(await pair.lookUp("one")).toContain(OUTSIDE);
  },
);

const TWO = [...L3, "--subnet", "10.81.0.0/24", "--subnet", "10.82.0.0/24"];
const ONE_IN_EACH = { one: ["--ip", "10.81.0.20"], two: ["--ip", "10.82.0.20"] };

scenario(
  "L3NilParent, TestIPVlanDNS: without a parent two subnets reach each other, and no names outside",
  async (lab) => {
    const pair = pairIn(lab);
    await using _net = await pair.connect("routed", [...ALONE, ...TWO], ONE_IN_EACH);
    expect(await pair.pings("one", "10.82.0.20")).toEqual([true]);
    expect(await pair.lookUp("one")).toContain("SERVFAIL");
  },
);

scenario(
  "L3InternalMode, TestIPVlanDNS: an internal network has no way out, but between its subnets",
  async (lab) => {
    const pair = pairIn(lab);
    await using _net = await pair.connect("inner", [...ON_LAN, ...TWO, "--internal"], ONE_IN_EACH);
    expect(await pair.pings("one", "10.82.0.20")).toEqual([true]);
    expect(await pair.pingError("one", "8.8.8.8")).toContain("Network is unreachable");
    expect(await pair.lookUp("one")).toContain("SERVFAIL");
  },
);

scenario(
  "L3MultiSubnet, L3Addressing, TestIPVlanDNS: the link is the default route of both families, a gateway has no use",
  async (lab) => {
    const pair = pairIn(lab);
    const wishes = { one: at(81, 20), two: at(82, 20) };
    await using _net = await pair.connect("routed", [...ON_LAN, ...L3, ...SUBNETS], wishes);
    expect(await pair.pings("one", "10.82.0.20", "fd82::20")).toEqual([true, true]);
    const format =
      "{{with .NetworkSettings.Networks.routed}}{{.IPAddress}} [{{.Gateway}}{{.IPv6Gateway}}]{{end}}";
    for (const [name, address] of [
      ["one", "10.81.0.20"],
      ["two", "10.82.0.20"],
    ] as const) {
      expect(await pair.defaults(name)).toEqual(["dev", "dev"]);
      expect(await pair.docker("inspect", "-f", format, name)).toBe(`${address} []`);
    }
    expect(await pair.lookUp("one")).toContain(OUTSIDE);
  },
);

// The name is answered with Join; dockerds up to 28.5 do not read it from a plugin and number the prefix.
scenario(
  "TestIpvlanIPAM, TestEndpointWithCustomIfname: nothing of a family that is off, and links named by Docker",
  async (lab) => {
    const pair = pairIn(lab);
    const v4 = ["--subnet", "10.81.0.0/24"];
    const v6 = ["--ipv6", "--subnet", "fd82::/64"];
    for (const { create, addresses, isOff } of [
      { create: v4, addresses: ["10.81.0.1/24"], isOff: "1" },
      { create: ["--ipv4=false", ...v6], addresses: ["fd82::1/64"], isOff: "0" },
      { create: ["--ipv4=false"], addresses: [], isOff: "1" },
    ]) {
      await pair.docker("network", "create", ...ON_LAN, ...create, "families");
      const name = "com.docker.network.endpoint.ifname=foobar";
      await pair.docker("network", "connect", "--driver-opt", name, "families", "one");
      expect([create, await pair.addresses("one")]).toEqual([create, addresses]);
      const link = /eth\d+/.exec(await pair.inside("one", "ip", "-o", "link"))?.[0];
      const off = await pair.inside("one", "cat", `/proc/sys/net/ipv6/conf/${link}/disable_ipv6`);
      expect([create, off]).toEqual([create, isOff]);
      expect(await pair.inside("one", "ip", "-6", "address", "show", "lo")).toContain("inet6 ::1/128");
      await pair.docker("network", "disconnect", "families", "one");
      await pair.docker("network", "rm", "families");
    }
  },
);

scenario(
  "TestIpvlanIPAMOverlap: networks of one subnet with ranges of their own never give an address twice",
  async (lab) => {
    const pair = pairIn(lab);
    const ranges = { low: "10.81.0.0/26", middle: "10.81.0.64/26", high: "10.81.0.128/25" };
    const create = ["network", "create", ...ON_LAN, "--subnet", "10.81.0.0/24", "--ip-range"];
    for (const [name, range] of Object.entries(ranges)) await pair.docker(...create, range, name);
    await pair.docker("network", "connect", "low", "one");
    await pair.docker("network", "connect", "high", "two");
    expect([await pair.addresses("one"), await pair.addresses("two")]).toEqual([
      ["10.81.0.1/24"],
      ["10.81.0.128/24"],
    ]);
    expect(await pair.pings("one", "10.81.0.128")).toEqual([true]);
    for (const taken of ["10.81.0.1", "10.81.0.128"])
      expect(await pair.refused("network", "connect", "--ip", taken, "middle", "two")).toContain(
        "Address already in use",
      );
    expect(await pair.refused(...create, ranges.middle, "again")).toContain("Pool overlaps");
    await pair.docker("network", "disconnect", "low", "one");
    await pair.docker("network", "disconnect", "high", "two");
    await pair.docker("network", "rm", "low", "middle", "high");
  },
);

scenario("TestPointToPoint: both addresses of a /31 are containers', on l2, l3 and l3s", async (lab) => {
  const pair = pairIn(lab);
  const mode = (word: string) => [...ALONE, "-o", `ipvlan_mode=${word}`];
  await using _l2 = await pair.connect("p2", [...mode("l2"), "--internal", "--subnet", "10.81.0.0/31"]);
  await using _l3 = await pair.connect("p3", [...mode("l3"), "--subnet", "10.82.0.0/31"]);
  await using _l3s = await pair.connect("p3s", [...mode("l3s"), "--subnet", "10.83.0.0/31"]);
  const subnets = [81, 82, 83];
  expect(await pair.addresses("one")).toEqual(subnets.map((subnet) => `10.${subnet}.0.0/31`));
  expect(await pair.addresses("two")).toEqual(subnets.map((subnet) => `10.${subnet}.0.1/31`));
  const others = subnets.map((subnet) => `10.${subnet}.0.1`);
  expect(await pair.pings("one", ...others)).toEqual([true, true, true]);
});

// Moby's own begins each half anew. Here dockerd is killed in the middle, with --live-restore.
scenario(
  "TestMixL3IPVlanAndBridge: a bridge's gateway goes before the l3 link, which takes its place, after a crash too",
  async (lab) => {
    const pair = pairIn(lab);
    await pair.docker("network", "create", ...ON_LAN, ...L3, "--subnet", "10.81.0.0/24", "routed");
    await pair.docker("network", "create", "--subnet", "10.82.0.0/24", "bridged");
    const after = async (verb: "connect" | "disconnect", network: string) => {
      await pair.docker("network", verb, network, "one");
      return pair.defaults("one");
    };
    expect(await after("connect", "routed")).toEqual(["dev"]);
    expect(await after("connect", "bridged")).toEqual(["via 10.82.0.1"]);
    expect(await after("disconnect", "bridged")).toEqual(["dev"]);
    expect(await after("connect", "bridged")).toEqual(["via 10.82.0.1"]);
    await lab.guest.must("kill -9 $(pidof dockerd)");
    await lab.services.dockerd("--live-restore");
    expect(await pair.defaults("one")).toEqual(["via 10.82.0.1"]);
    expect(await after("disconnect", "bridged")).toEqual(["dev"]);
    expect(await after("connect", "bridged")).toEqual(["via 10.82.0.1"]);
    expect(await after("disconnect", "routed")).toEqual(["via 10.82.0.1"]);
  },
);
