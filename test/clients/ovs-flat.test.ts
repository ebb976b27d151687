import { beforeAll, describe, expect, test } from "bun:test";
import { AGES } from "../ground/engines.ts";
import type { Switch } from "../ground/ovs.ts";
import type { Scene } from "../ground/scene.ts";
import { until } from "../ground/until.ts";
import { dockerOnSwitch } from "./ovs-scene.ts";

// Mode flat: the bridge is a switch, and a NIC of the host may be on it. VLANs keep apart who is not meant to meet.
describe.each([...AGES])("Open vSwitch behind the %s dockerd", (age) => {
  // A second NIC, which the host does not use; the LAN's router is at its other end.
  const now = dockerOnSwitch(age, async ({ host }) => {
    await host.must("ip link add up0 type veth peer name up1 netns router".split(" "));
    await host.router("ip address add 10.78.0.1/24 dev up1".split(" "));
    await host.router("ip link set up1 up".split(" "));
    await host.must("ip link set up0 up".split(" "));
  });
  let scene: Scene;
  let ovs: Switch;
  beforeAll(() => {
    ({ scene, ovs } = now());
  });

  const create = (name: string, ...args: string[]) => now().create(...args, name);

  test("flat with an uplink: the container is on the NIC's network, under its own address", async () => {
    await create("lan", ...["-o", "mode=flat", "-o", "uplink=up0", "--subnet", "10.78.0.0/24"]);
    await scene.container("one", "--network", "lan", "--ip", "10.78.0.7");
    expect(await scene.pings("one", "10.78.0.1")).toBe(true);
    expect(await scene.host.router(["ip", "neigh", "show", "10.78.0.7"])).toContain("lladdr");
  });

  test("VLANs of networks and endpoints keep apart who shares a bridge", async () => {
    const vlan = (id: number) => ["-o", "mode=flat", "-o", "bridge=trunk0", "-o", `vlan=${id}`];
    await create("ten", ...vlan(10), "--subnet", "10.10.0.0/24");
    await create("twenty", ...vlan(20), "--subnet", "10.10.1.0/24");
    await scene.container("ten-a", "--network", "ten", "--ip", "10.10.0.2", "--cap-add", "NET_ADMIN");
    await scene.container("ten-b", "--network", "ten", "--ip", "10.10.0.3");
    await scene.container("twenty-a", "--network", "twenty", "--ip", "10.10.1.4", "--cap-add", "NET_ADMIN");
    expect(await scene.pings("ten-a", "10.10.0.3")).toBe(true);
    const { id = "" } = (await scene.records()).networks[0] ?? {};
    const inspected = await scene.underlay.cli("network", "inspect", id);
    expect(inspected).toContain("trunk0, datapath netdev, made by Underlay");
    expect(inspected).toMatch(/VLAN 20 {2}up {2}received \d+ sent \d+ bytes/);
    await scene.exec("twenty-a", "ip", "address", "add", "10.10.0.4/24", "dev", "eth0");
    expect(await scene.pings("ten-a", "10.10.0.4")).toBe(false);
    await scene.dockerd.docker("rm", "-f", "twenty-a");
    const tags = await ovs.vsctl("--no-headings", "--columns=tag", "--format=csv", "find", "Port", "tag=10");
    expect(tags.split("\n")).toEqual(["10", "10"]);
  });

  test("port security: who claims another's address is not heard, also after ovs-vswitchd was killed", async () => {
    await create("safe", "-o", "port_security=true", "--subnet", "172.30.2.0/24");
    await scene.container("good", "--network", "safe", "--ip", "172.30.2.7");
    await scene.container("bad", "--network", "safe", "--ip", "172.30.2.8", "--cap-add", "NET_ADMIN");
    expect(await scene.pings("bad", "172.30.2.7")).toBe(true);
    await scene.exec("bad", "ip", "address", "add", "172.30.2.99/24", "dev", "eth0");
    const claims = async () => {
      const ping = ["exec", "bad", "ping", "-c1", "-W1", "-I", "172.30.2.99", "172.30.2.7"];
      return (await scene.dockerd.tryDocker(ping)).code === 0;
    };
    expect(await claims()).toBe(false);
    await ovs.killVswitchd();
    await ovs.startVswitchd();
    await until("it passes frames again", () => scene.pings("bad", "172.30.2.7"));
    await until("it is secured again", async () => !(await claims()));
    await scene.underlay.kill9();
    await ovs.killVswitchd();
    await ovs.startVswitchd();
    await scene.underlay.start();
    await until("it passes frames again", () => scene.pings("bad", "172.30.2.7"));
    expect(await claims()).toBe(false);
    await scene.dockerd.docker("rm", "-f", "bad");
    expect(await scene.pings("good", "172.30.2.1")).toBe(true);
  });

  test("what cannot be is refused in words", async () => {
    const refused = async (...args: string[]) => {
      const made = await scene.dockerd.tryDocker(["network", "create", "-d", "underlay-ovs", ...args, "bad"]);
      expect(made.code).not.toBe(0);
      return made.stderr;
    };
    const subnet = ["--subnet", "10.79.0.0/24"];
    const rows: readonly (readonly [string, readonly string[]])[] = [
      ["bridg", ["-o", "bridg=br0"]],
      ["no kernel datapath here", []],
      ["vlan", ["-o", "vlan=4095", "-o", "mode=flat"]],
      ["nat", ["-o", "mode=nats"]],
      ["peers", ["-o", "vni=7", "-o", "peers=host.example"]],
      ["nosuch", ["-o", "datapath=netdev", "-o", "mode=flat", "-o", "uplink=nosuch"]],
      ["lo", ["-o", "datapath=netdev", "-o", "mode=flat", "-o", "uplink=lo"]],
      ["lan0", ["-o", "datapath=netdev", "-o", "bridge=lan0"]],
    ];
    for (const [word, args] of rows)
      expect([args, await refused(...subnet, ...args)]).toEqual([args, expect.stringContaining(word)]);
  });
});
