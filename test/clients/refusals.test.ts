import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { IMAGE } from "../ground/dockerd.ts";
import { AGES } from "../ground/engines.ts";
import { DRIVER, ROUTER, type Scene, startScene } from "../ground/scene.ts";

/** Options of `docker network create` that cannot be right, and what the user has to read about them. */
const BAD_OPTIONS: readonly (readonly [options: readonly string[], told: readonly string[]])[] = [
  [["parnet=lan0"], ["unknown option parnet", "did you mean parent?"]],
  [
    ["parent=lan0", "macvlan_mode=brigde", "mut=1400"],
    [
      "is none of bridge, private, vepa, passthru",
      "did you mean bridge?",
      "unknown option mut",
      "did you mean mtu?",
    ],
  ],
  [["parent=lan0", "macvlan_mode=foo"], ['macvlan_mode: "foo" is none of bridge, private, vepa, passthru']],
  [["parent=lan0", "macvlan_mode="], ['macvlan_mode: "" is none of bridge, private, vepa, passthru']],
  [["parent=lan0", "mode=source"], ["is none of bridge, private, vepa, passthru"]],
  [["parent=lo"], ["UL-P04", "lo is the loopback link"]],
  [["parent=nic9"], ["UL-P01", "no link is called nic9", "ip link show"]],
  [["parent=auto"], ["UL-P01", "this host has no default route"]],
  [["parent=averyveryverylongname"], ["UL-P01", "averyveryverylongname"]],
  [["parent=a/b"], ['link name "a/b" has a slash']],
  [["parent="], ["a link name cannot be empty"]],
  [["parent=lan0.0"], ["VLAN id must be 1 to 4094"]],
  [["parent=lan0.4095"], ["VLAN id must be 1 to 4094"]],
  [["parent=lan0.4096"], ["VLAN id must be 1 to 4094"]],
  [["parent=lan0.x"], ["is no VLAN id"]],
  [["parent=lan0.-1"], ["is no VLAN id"]],
  [["parent=lan0:10"], ['link name "lan0:10" has a slash, colon']],
  [["parent=lan0/50"], ['link name "lan0/50" has a slash']],
  [["parent=lan0.50.60.70"], ["has 3 VLAN ids"]],
  [["parent=lan0."], ["is no VLAN id"]],
  [["parent=.10"], ["names no link before its VLAN id"]],
  [["parent=lan0 .50"], ["white space in it"]],
  [["parent=nic9.50"], ["UL-P01", "no link is called nic9"]],
  [["parent=lo.50"], ["UL-P04", "lo is the loopback link"]],
  // The kernel of this machine has neither; where it does, test/lab makes them.
  [["parent=lan0.50"], ["UL-K01", "cannot make vlan links: module 8021q is missing", "modprobe 8021q"]],
  [
    ["parent=lan0.50.60", "vlan_protocol=802.1ad"],
    ["UL-K01", "modprobe 8021q"],
  ],
  [[], ["UL-K01", "cannot make dummy links: module dummy is missing", "modprobe dummy"]],
  [
    ["parent=lan0", "vlan_protocol=802.1ad"],
    ["the parent names no VLAN", "parent=eth0.10"],
  ],
  [["parent=lan0.50", "vlan_protocol=802.1x"], ["is none of 802.1q, 802.1ad"]],
  [["parent=lan0", "com.docker.network.driver.mtu=67"], ['"67" is no MTU']],
  [
    ["parent=lan0", "mtu=9000"],
    ["UL-P12", "more than the 1500 of lan0"],
  ],
  [
    ["parent=lan0", "mtu=1400", "com.docker.network.driver.mtu=1300"],
    ["are the same option with different values"],
  ],
  [["parent=lan0", "allow=UL-P99"], ["no condition UL-P99"]],
  [
    ["parent=lan0", "mode=private", "host_access=true"],
    ["hear no other link", "use mode bridge"],
  ],
];

const BAD_IPVLAN: typeof BAD_OPTIONS = [
  [["ipvlan_mod=l2"], ["unknown option ipvlan_mod", "did you mean ipvlan_mode?"]],
  [["macvlan_mode=bridge"], ["unknown option macvlan_mode", "did you mean ipvlan_mode?"]],
  [["parent=lan0:10"], ['link name "lan0:10" has a slash, colon']],
  [["parent=lan0.0"], ["VLAN id must be 1 to 4094"]],
  [["parent=lan0.4095"], ["VLAN id must be 1 to 4094"]],
  [["parent=lo.50"], ["UL-P04", "lo is the loopback link"]],
  [["parent=nic9.50"], ["UL-P01", "no link is called nic9"]],
  [["parent=lan0.50"], ["UL-K01", "modprobe 8021q"]],
  [["parent=lan0", "ipvlan_mode=l4"], ['ipvlan_mode: "l4" is none of l2, l3, l3s']],
  [["parent=lan0", "ipvlan_mode="], ['ipvlan_mode: "" is none of l2, l3, l3s']],
  [["parent=lan0", "ipvlan_flag=passthru"], ['ipvlan_flag: "passthru" is none of bridge, private, vepa']],
  [
    ["parent=lan0", "mode=l2", "ipvlan_mode=l3"],
    ["ipvlan_mode=l3 and mode=l2 are the same option with different values"],
  ],
  [["parent=lo"], ["UL-P04", "lo is the loopback link: it cannot carry ipvlan"]],
  [["parent=nosuch0"], ["UL-P01", "no link is called nosuch0"]],
  [
    ["parent=lan0", "mtu=9000"],
    ["UL-P12", "mtu 9000 is more than the 1500 of lan0"],
  ],
  // The kernel of this machine has none; where it does, test/lab makes them.
  [["parent=lan0"], ["UL-K01", "cannot make ipvlan links: module ipvlan is missing", "modprobe ipvlan"]],
];

// What cannot work is refused when the network is created, in words that name the cause and the way out.
describe.each([...AGES])("what is refused on the %s dockerd", (age) => {
  const things = disposedAfterAll();
  let scene: Scene;

  beforeAll(async () => {
    scene = things.use(await startScene(age));
  }, 600_000);
  afterEach(() => scene.clear());

  const docker = (...args: string[]) => scene.dockerd.docker(...args);

  test.each([
    ...BAD_OPTIONS.map((row) => [DRIVER, ...row] as const),
    ...BAD_IPVLAN.map((row) => ["underlay-ipvlan", ...row] as const),
  ])("-d %s -o %p", async (driver, options, told) => {
    const refused = await scene.dockerd.tryDocker([
      ...["network", "create", "-d", driver, ...options.flatMap((option) => ["-o", option])],
      ...["--subnet", "10.77.0.0/24", "bad"],
    ]);
    expect(refused.code).toBe(1);
    for (const words of told) expect(refused.stderr).toContain(words);
    expect(await docker("network", "ls", "--quiet", "--filter", "name=bad")).toBe("");
    expect(await scene.records()).toMatchObject({ networks: [] });
    expect(await scene.links()).toEqual(["lan0", "lo"]);
  });

  test("a multicast MAC, and the endpoint is gone", async () => {
    await scene.network("--subnet", "10.77.0.0/24", "lan");
    const run = ["run", "--rm", "--network", "lan", "--mac-address", "01:00:5e:00:00:01", IMAGE, "true"];
    expect((await scene.dockerd.tryDocker(run)).stderr).toContain("is a multicast address");
    expect(await scene.records()).toMatchObject({ endpoints: [] });
  });

  test("OverlapParentPassthruFirst, OverlapParentPassthruSecond: passthru wants its parent alone, whoever came first", async () => {
    const create = (mode: string, name: string, subnet: string) =>
      scene.dockerd.tryDocker([
        ...["network", "create", "-d", DRIVER, "-o", "parent=lan0", "-o", `macvlan_mode=${mode}`],
        ...["--subnet", subnet, name],
      ]);
    expect((await create("passthru", "first", "10.77.0.0/24")).code).toBe(0);
    expect((await create("bridge", "second", "10.78.0.0/24")).stderr).toContain("passthru");
    await docker("network", "rm", "first");
    expect((await create("bridge", "first", "10.77.0.0/24")).code).toBe(0);
    expect((await create("passthru", "second", "10.78.0.0/24")).stderr).toContain("lan0");
  });

  test("passthru is refused for the sake of somebody else's container too, and everything for passthru's", async () => {
    const others = ["network", "create", "-d", "macvlan", "-o", "parent=lan0", "--subnet", "10.79.0.0/24"];
    const ours = (mode: string) =>
      scene.dockerd.tryDocker([
        ...["network", "create", "-d", DRIVER, "-o", "parent=lan0", "-o", `macvlan_mode=${mode}`],
        ...["--subnet", "10.77.0.0/24", "ours"],
      ]);
    await docker(...others, "builtin");
    await scene.container("alien", "--network", "builtin");
    expect((await ours("passthru")).stderr).toContain("UL-P08");
    await scene.clear();
    await docker(...others, "-o", "macvlan_mode=passthru", "builtin");
    await scene.container("alien", "--network", "builtin");
    expect((await ours("bridge")).stderr).toContain("UL-P08");
  });

  test("a port of a bridge is refused, and the bridge itself is not", async () => {
    await scene.host.must(["ip", "link", "add", "br7", "type", "bridge"]);
    await scene.host.must(["ip", "link", "set", "lan0", "master", "br7"]);
    const create = (parent: string) =>
      scene.dockerd.tryDocker([
        ...["network", "create", "-d", DRIVER, "-o", `parent=${parent}`],
        ...["--subnet", "10.77.0.0/24", "--gateway", ROUTER.v4, "bridged"],
      ]);
    const refused = (await create("lan0")).stderr;
    expect(refused).toContain("UL-P06");
    expect(refused).toContain("br7");
    expect((await create("br7")).code).toBe(0);
    await scene.container("web", "--network", "bridged");
    expect(await scene.pings("web", ROUTER.v4)).toBe(true);
    await scene.clear();
    await scene.host.must(["ip", "link", "del", "br7"]);
  });

  test("what Docker swallows is told: no subnet given, and a parent whose LAN is another", async () => {
    await scene.host.must(["ip", "address", "add", "10.77.0.2/24", "dev", "lan0"]);
    await scene.network("anything");
    const status = await scene.underlay.cli("status");
    expect(status).toMatch(/172\.\d+\.0\.0\/16/);
    await scene.host.must(["ip", "address", "del", "10.77.0.2/24", "dev", "lan0"]);
  });

  test("published ports are taken, and status says that they do nothing", async () => {
    await scene.network("--subnet", "10.77.0.0/24", "--gateway", ROUTER.v4, "lan");
    await scene.container("web", "--network", "lan", "-p", "8080:80");
    expect(await scene.underlay.cli("status")).toContain("8080");
  });
});
