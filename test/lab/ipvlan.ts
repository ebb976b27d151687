import { expect } from "bun:test";
import { PROGRAM } from "../ground/daemon.ts";
import { IMAGE, LASTING } from "../ground/dockerd.ts";
import type { Age } from "../ground/engines.ts";
import { OUTSIDE, serveNames } from "./names.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

const IPVLAN = "underlay-ipvlan";
const LAN = ["--subnet", "10.77.0.0/24", "--gateway", "10.77.0.1"];

/** The least IPAM that wants to know each MAC before it gives an address: dockerd then makes one up. */
const MAC_IPAM = `
  let last = 49;
  const ANSWERS = {
    "Plugin.Activate": () => ({ Implements: ["IpamDriver"] }),
    "IpamDriver.GetCapabilities": () => ({ RequiresMACAddress: true }),
    "IpamDriver.GetDefaultAddressSpaces": () => ({ LocalDefaultAddressSpace: "l", GlobalDefaultAddressSpace: "g" }),
    "IpamDriver.RequestPool": () => ({ PoolID: "p", Pool: "10.78.0.0/24" }),
    "IpamDriver.RequestAddress": () => ({ Address: "10.78.0." + ++last + "/24" }),
  };
  Bun.serve({
    unix: "/run/docker/plugins/mac-ipam.sock",
    fetch: ({ url }) => Response.json((ANSWERS[url.slice(url.lastIndexOf("/") + 1)] ?? (() => ({})))()),
  });
  console.log("serving");
`;

/** What a dockerd does with networks of ours that are ipvlan. */
export function ipvlanScenarios(age: Age): void {
  const scenario = scenariosIn(age);

  const run = ({ services }: Lab, name: string, ...args: string[]) =>
    services.docker(
      "run",
      "-d",
      "--restart=always",
      "--dns=10.77.0.1",
      "--name",
      name,
      ...args,
      IMAGE,
      ...LASTING,
    );
  const exec = ({ services }: Lab, name: string, ...argv: string[]) => services.docker("exec", name, ...argv);
  const start = async (lab: Lab) => {
    await lab.guest.must(`
      ip address add 10.77.0.2/24 dev lan0
      ip -n router address add 10.77.0.1/24 dev lan1
      ip -n router route add 10.80.0.0/16 via 10.77.0.2`);
    await lab.services.underlay();
    await lab.services.dockerd();
    await serveNames(lab);
  };

  scenario(
    "l2: containers reach each other and the LAN's router, and have their parent's MAC",
    async (lab) => {
      const { services } = lab;
      await start(lab);
      await services.image();
      await services.docker("network", "create", "-d", IPVLAN, "-o", "parent=lan0", ...LAN, "lan");
      await run(lab, "one", "--network=lan", "--ip=10.77.0.10");
      await run(lab, "two", "--network=lan", "--ip=10.77.0.11");
      await exec(lab, "one", "ping", "-c1", "-W5", "two");
      await exec(lab, "one", "ping", "-c1", "-W5", "10.77.0.1");
      const [lan0] = JSON.parse(await lab.guest.must("ip -j link show lan0"));
      expect(await exec(lab, "one", "cat", "/sys/class/net/eth0/address")).toBe(lan0.address);
      const format =
        "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.Gateway}} [{{.MacAddress}}]{{end}}";
      expect(await services.docker("inspect", "--format", format, "one")).toBe("10.77.0.10 10.77.0.1 []");
      expect(await exec(lab, "one", "ip", "route")).toContain("default via 10.77.0.1 dev eth0");
      expect(await exec(lab, "one", "ls", "/sys/class/net")).not.toContain("eth1");
    },
    { containers: 2 },
  );

  scenario("names outside are found by the name server of --dns", async (lab) => {
    expect(await exec(lab, "one", "nslookup", "-type=a", "outside.example")).toContain(OUTSIDE);
  });

  scenario(
    "a user's MAC fails the start in words",
    async ({ services }) => {
      const wish = ["--network=lan", "--mac-address=02:00:5e:00:53:01"];
      const asked = await services.tryDocker("run", "--rm", ...wish, IMAGE, "true");
      expect(asked.code).not.toBe(0);
      expect(asked.stderr).toContain("containers on ipvlan have the MAC address of their parent lan0");
    },
    { containers: 1 },
  );

  // dockerd sets the MAC that it made up at the link itself, whatever a driver says, and the kernel lets nobody set an
  // ipvlan's. The protocol has no word against it; what we can do is to say so in our log.
  if (age === "newest")
    scenario(
      "a MAC that dockerd made up for an IPAM is ignored by us, and by nobody else",
      async ({ services, guest }) => {
        const ipam = await guest.start("ipam", `exec env BUN_BE_BUN=1 ${PROGRAM} -e '${MAC_IPAM}'`);
        await ipam.said(/serving/);
        const create = ["network", "create", "-d", IPVLAN, "--ipam-driver=mac-ipam", "-o", "parent=lan0"];
        await services.docker(...create, "macs");
        const { stderr } = await services.tryDocker("run", "--rm", "--network=macs", IMAGE, "true");
        expect(stderr).toMatch(/error setting interface .* MAC to .*: operation not supported/);
        const told = guest.log().filter((line) => line.includes("made up for an allocator is not used"));
        expect(told).toHaveLength(1);
        await services.docker("network", "rm", "macs");
      },
      { containers: 1 },
    );

  scenario(
    "l3 on a parent of its own: subnets reach each other, the default route is the link, the gateway has no use",
    async (lab) => {
      const { services, guest } = lab;
      await services.docker("rm", "-f", "one", "two");
      await services.docker("network", "rm", "lan");
      const subnets = ["--subnet=10.80.1.0/24", "--gateway=10.80.1.254", "--subnet=10.80.2.0/24"];
      const create = ["network", "create", "-d", IPVLAN, "-o", "parent=lan0", "-o", "ipvlan_mode=l3"];
      await services.docker(...create, ...subnets, "routed");
      await run(lab, "red", "--network=routed", "--ip=10.80.1.10");
      await run(lab, "blue", "--network=routed", "--ip=10.80.2.10");
      await exec(lab, "red", "ping", "-c1", "-W5", "10.80.2.10");
      await exec(lab, "red", "ping", "-c1", "-W5", "10.77.0.1");
      expect(await exec(lab, "red", "ip", "route")).toMatch(/^default dev eth0/m);
      expect(await exec(lab, "red", "ls", "/sys/class/net")).not.toContain("eth1");
      const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} [{{.Gateway}}]{{end}}";
      expect(await services.docker("inspect", "--format", format, "red")).toBe("10.80.1.10 []");
      const [link] = JSON.parse(
        await guest.must(
          "nsenter -t $(docker -H unix:///run/docker.sock inspect -f '{{.State.Pid}}' red) -n ip -j -d link show eth0",
        ),
      );
      expect(link.linkinfo.info_data.mode).toBe("l3");
      expect(await exec(lab, "red", "nslookup", "-type=a", "outside.example")).toContain(OUTSIDE);
    },
    { containers: 2 },
  );

  scenario("a reboot brings both back", async (lab) => {
    await lab.guest.reboot();
    await start(lab);
    await exec(lab, "red", "ping", "-c1", "-W5", "10.80.2.10");
    expect(await exec(lab, "red", "ip", "route")).toMatch(/^default dev eth0/m);
  });
}
