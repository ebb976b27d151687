import { expect } from "bun:test";
import { PROGRAM } from "../ground/daemon.ts";
import { createNetwork, endpointLife, idOf } from "../live/docker-calls.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

/** Our daemon on this kernel, without a dockerd: what the kernel lacks, and what is there after a boot. */

const scenario = scenariosIn("newest");

const MODULE_OF = { macvlan: "macvlan", ipvlan: "ipvlan", vlan: "8021q", dummy: "dummy" };
const [KEPT, LATE, LAST] = [idOf(1), idOf(2), idOf(3)];

async function networks({ services }: Lab): Promise<string[]> {
  const list = JSON.parse(await services.cli("network", "ls", "-o", "json"));
  return list.networks.map((network: { id: string }) => network.id).sort();
}

scenario(
  "doctor names each module that the kernel could load, and the line that loads it",
  async ({ guest }) => {
    const { stdout } = await guest.run(`
    cleanup() { mv /usr/sbin/modprobe.away /usr/sbin/modprobe; }
    mv /usr/sbin/modprobe /usr/sbin/modprobe.away
    trap cleanup EXIT
    ${PROGRAM} doctor`);
    expect(stdout).toContain("UL-K01  this kernel cannot make macvlan links");
    expect(stdout).toContain("UL-K01  this kernel cannot make ipvlan, vlan, dummy links");
    for (const [kind, module] of Object.entries(MODULE_OF)) {
      expect(stdout).toMatch(new RegExp(`kind ${kind}: EOPNOTSUPP: .*; module ${module}: loadable \\(`));
      expect(stdout).toMatch(new RegExp(`: modprobe ${module}$`, "m"));
    }
  },
);

scenario(
  "doctor names the module, the package and the kernel option where there is no such module",
  async ({ guest }) => {
    const { stdout } = await guest.run(`
    umount /lib/modules/$(uname -r)
    ${PROGRAM} doctor`);
    expect(stdout).toMatch(/module 8021q: missing \(\/lib\/modules\/\S+\/modules\.dep\); for VLAN parents/);
    expect(stdout).toContain("apt install linux-image-amd64");
    expect(stdout).toContain("CONFIG_VLAN_8021Q");
    await guest.reboot();
  },
);

scenario(
  "doctor finds nothing wrong with the whole kernel, and has loaded what it tried",
  async ({ guest }) => {
    const { stdout } = await guest.run(`${PROGRAM} doctor lan0`);
    expect(stdout).not.toContain("UL-K01");
    const loaded = await guest.must("lsmod");
    for (const module of Object.values(MODULE_OF)) expect(loaded).toMatch(new RegExp(`^${module} `, "m"));
  },
);

scenario("the daemon serves a macvlan network and an endpoint on it", async (lab) => {
  const { guest, services } = lab;
  await services.underlay();
  expect(await services.call(...createNetwork(KEPT))).toEqual({});
  const { create, join } = endpointLife(KEPT, idOf(9), 9);
  expect(await services.call(...create)).toMatchObject({ Interface: {} });
  expect(await services.call(...join)).toMatchObject({ InterfaceName: { DstPrefix: "eth" } });
  const links = JSON.parse(await guest.must("ip -j -d link show type macvlan"));
  expect(links).toMatchObject([{ link: "lan0", linkinfo: { info_data: { mode: "bridge" } } }]);
});

scenario("a reboot keeps the network; the endpoint of the former boot is gone", async (lab) => {
  await lab.guest.reboot();
  await lab.services.underlay();
  expect(await networks(lab)).toEqual([KEPT]);
  const { endpoints } = JSON.parse(await lab.services.cli("endpoint", "ls", "-o", "json"));
  expect(endpoints).toEqual([]);
});

scenario("a power cut right after the answer keeps what was answered", async (lab) => {
  expect(await lab.services.call(...createNetwork(LATE, {}, "10.61.0.0/16"))).toEqual({});
  expect(await lab.services.call(...createNetwork(LAST, {}, "10.62.0.0/16"))).toEqual({});
  await lab.guest.cut();
  await lab.guest.boot();
  await lab.services.underlay();
  expect(await networks(lab)).toEqual([KEPT, LATE, LAST]);
});
