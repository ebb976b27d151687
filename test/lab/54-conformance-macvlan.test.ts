import { expect } from "bun:test";
import { DRIVER } from "../ground/scene.ts";
import { pairIn } from "./pair.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

/** What Moby's integration/network/macvlan holds of VLANs and of networks without a parent; test/clients/conformance.ts is the list. */

const scenario = scenariosIn("newest");

const isThere = async (link: string, { guest }: Lab) => (await guest.run(`ip link show ${link}`)).code === 0;

scenario(
  "TestDockerNetworkMacvlanPersistence: a network on a VLAN that we made is there after a restart of dockerd",
  async (lab) => {
    const { services } = lab;
    await services.underlay();
    const dockerd = await services.dockerd();
    await services.docker("network", "create", "-d", DRIVER, "-o", "parent=lan0.60", "persist");
    dockerd.signal("SIGTERM");
    await dockerd.ended;
    await services.dockerd();
    expect(await services.docker("network", "ls", "--format", "{{.Name}} {{.Driver}}")).toContain(
      `persist ${DRIVER}`,
    );
    expect(await isThere("lan0.60", lab)).toBe(true);
    await services.docker("network", "rm", "persist");
    expect(await isThere("lan0.60", lab)).toBe(false);
    expect(await isThere("lan0", lab)).toBe(true);
  },
);

scenario(
  "NilParent, TestMACVlanDNS: without a parent containers find each other by name, and no names outside",
  async (lab) => {
    const { services } = lab;
    await services.image();
    // A name server that cannot be reached, and which nobody tries to reach.
    await lab.guest.must("echo 'nameserver 10.77.0.1' >/etc/resolv.conf");
    await services.docker("network", "create", "-d", DRIVER, "alone");
    const pair = pairIn(lab);
    await pair.start("alone");
    await services.docker("exec", "one", "ping", "-c1", "-W5", "two");
    expect(await pair.defaults("one")).toEqual([]);
    expect(await pair.lookUp("one")).toContain("SERVFAIL");
    await pair.leave("alone");
  },
  { containers: 2 },
);

scenario(
  "MultiSubnetNoParent: two subnets of each family, and not even a gateway that was given",
  async (lab) => {
    const pair = pairIn(lab);
    const v4 = ["--subnet", "10.81.0.0/24", "--subnet", "10.82.0.0/24", "--gateway", "10.82.0.254"];
    const v6 = ["--ipv6", "--subnet", "fd81::/64", "--subnet", "fd82::/64", "--gateway", "fd82::254"];
    const at = (subnet: number, host: number) => [
      ...["--ip", `10.${subnet}.0.${host}`, "--ip6", `fd${subnet}::${host}`],
    ];
    const wishes = { one: at(82, 20), two: at(82, 21) };
    await using _net = await pair.connect("multi", ["-d", DRIVER, ...v4, ...v6], wishes);
    expect(await pair.pings("one", "10.82.0.21", "fd82::21")).toEqual([true, true]);
    expect(await pair.defaults("one")).toEqual([]);
    expect(await pair.pingError("one", "10.81.0.1")).toContain("Network is unreachable");
  },
);

scenario(
  "TestPointToPoint: both addresses of a /31 are containers', as no gateway takes one",
  async (lab) => {
    const pair = pairIn(lab);
    await using _net = await pair.connect("p2p", ["-d", DRIVER, "--subnet", "10.83.0.0/31"]);
    expect([...(await pair.addresses("one")), ...(await pair.addresses("two"))]).toEqual([
      "10.83.0.0/31",
      "10.83.0.1/31",
    ]);
    expect(await pair.pings("one", "10.83.0.1")).toEqual([true]);
    expect(await pair.pings("two", "10.83.0.0")).toEqual([true]);
  },
);
