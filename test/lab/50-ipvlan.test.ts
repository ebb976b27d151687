import { expect } from "bun:test";
import { DRIVER as MACVLAN } from "../ground/scene.ts";
import { createNetwork, type DockerCall, deleteNetwork, endpointLife, idOf } from "../live/docker-calls.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

/** What ipvlan is on a kernel that has it. No dockerd: the calls are what it would say. */

const scenario = scenariosIn("newest");

const IPVLAN = "underlay-ipvlan";
const MODES = ["l2", "l3", "l3s"];
const FLAGS = ["bridge", "private", "vepa"];

interface Shown {
  readonly ifname: string;
  readonly link: string;
  readonly address: string;
  readonly ifalias?: string;
  readonly linkinfo: { readonly info_data: { readonly mode: string } & Readonly<Record<string, unknown>> };
}

/** Older `ip` say `null` of a flag that is there, newer ones `true`. */
function modeOf({ linkinfo: { info_data } }: Shown): string[] {
  return [info_data.mode, ...Object.keys(info_data).filter((key) => key !== "mode")];
}

async function links({ guest }: Lab, kind: string): Promise<Shown[]> {
  return JSON.parse(await guest.must(`ip -j -d link show type ${kind}`));
}

async function refusal({ services }: Lab, driver: string, call: DockerCall): Promise<string> {
  const [answer] = await services.calls(driver, [call]);
  return String(answer?.["Err"] ?? `no refusal: ${JSON.stringify(answer)}`);
}

scenario(
  "each mode with each flag is what the kernel shows; the MAC is the parent's, and none is told",
  async (lab) => {
    await lab.services.underlay();
    const wanted = MODES.flatMap((mode) =>
      FLAGS.map((flag) => ({ mode, flag, parent: `p-${mode}-${flag}` })),
    );
    await lab.guest.must(
      wanted.map(({ parent }) => `ip link add ${parent} type dummy; ip link set ${parent} up`).join("\n"),
    );
    const calls = wanted.flatMap(({ mode, flag, parent }, i) => {
      const life = endpointLife(idOf(i), idOf(i + 100), i + 1);
      const options = { parent, ipvlan_mode: mode, ipvlan_flag: flag };
      return [createNetwork(idOf(i), options), life.create, life.join];
    });
    const answers = await lab.services.calls(IPVLAN, calls);
    for (const [i, { mode }] of wanted.entries()) {
      const [network, endpoint, joined] = answers.slice(3 * i, 3 * i + 3);
      expect([network, endpoint]).toEqual([{}, {}]);
      const route = { StaticRoutes: [{ Destination: "0.0.0.0/0", RouteType: 1 }] };
      expect(joined).toMatchObject({
        DisableGatewayService: true,
        ...(mode === "l2" ? { Gateway: "10.60.0.1" } : route),
      });
      expect(Object.hasOwn(joined ?? {}, "Gateway")).toBe(mode === "l2");
    }
    const macs: readonly { ifname: string; address: string }[] = JSON.parse(
      await lab.guest.must("ip -j link show type dummy"),
    );
    const shown = await links(lab, "ipvlan");
    for (const { mode, flag, parent } of wanted) {
      const link = shown.find((each) => each.link === parent);
      expect([parent, ...(link ? modeOf(link) : [])]).toEqual([parent, mode, flag]);
      expect(link?.address).toBe(macs.find(({ ifname }) => ifname === parent)?.address ?? "");
    }
  },
);

scenario("a network that is made anew by the same calls finds the link that is there", async (lab) => {
  const before = await links(lab, "ipvlan");
  const life = endpointLife(idOf(0), idOf(100), 1);
  expect((await lab.services.calls(IPVLAN, [life.join]))[0]).toHaveProperty("InterfaceName");
  expect(await links(lab, "ipvlan")).toEqual(before);
});

scenario("deleting networks deletes their links, and nothing else", async (lab) => {
  const all = MODES.flatMap((_, m) => FLAGS.map((_, f) => deleteNetwork(idOf(3 * m + f))));
  expect(await lab.services.calls(IPVLAN, all)).toEqual(all.map(() => ({})));
  expect(await links(lab, "ipvlan")).toEqual([]);
  await lab.guest.must(
    "for each in $(ls /sys/devices/virtual/net); do case $each in p-*) ip link del $each;; esac; done",
  );
});

/** As a runtime does: into a netns, renamed, addressed, up. */
const moveIn = (netns: string, link: string, address: string, route: string) => `
  ip netns add ${netns}
  ip link set ${link} netns ${netns} name eth0
  ip -n ${netns} address add ${address} dev eth0
  ip -n ${netns} link set eth0 up
  ip -n ${netns} route add default ${route}`;

const nameOf = (joined: Record<string, unknown> | undefined): string => {
  const name = joined?.["InterfaceName"];
  return typeof name === "object" && name !== null && "SrcName" in name ? String(name.SrcName) : "no link";
};

const RED = idOf(20);

scenario("on l2 two containers reach each other and the LAN, and the router sees one MAC", async (lab) => {
  const [one, two] = [endpointLife(RED, idOf(21), 5), endpointLife(RED, idOf(22), 6)];
  const calls = [createNetwork(RED), one.create, one.join, two.create, two.join];
  const answers = await lab.services.calls(IPVLAN, calls);
  await lab.guest.must(`
    ip -n router address add 10.60.0.1/16 dev lan1
    ${moveIn("one", nameOf(answers[2]), "10.60.0.5/16", "via 10.60.0.1")}
    ${moveIn("two", nameOf(answers[4]), "10.60.0.6/16", "via 10.60.0.1")}
    ip netns exec one busybox ping -c1 -W5 10.60.0.6
    ip netns exec one busybox ping -c1 -W5 10.60.0.1
    ip netns exec two busybox ping -c1 -W5 10.60.0.1`);
  const neighbours: readonly { dst: string; lladdr: string }[] = JSON.parse(
    await lab.guest.must("ip -n router -j neighbour show dev lan1"),
  );
  const seen = neighbours.filter(({ dst }) => /^10\.60\.0\.[56]$/.test(dst)).map(({ lladdr }) => lladdr);
  const [lan0] = JSON.parse(await lab.guest.must("ip -j link show lan0"));
  expect(seen).toEqual([lan0.address, lan0.address]);
});

scenario(
  "OverlapParent: another mode or flag on that parent is refused, by the name of the network that is there",
  async (lab) => {
    const l3 = await refusal(lab, IPVLAN, createNetwork(idOf(23), { ipvlan_mode: "l3" }, "10.61.0.0/16"));
    expect(l3).toContain("UL-P09");
    expect(l3).toContain("ipvlan mode is per parent: lan0 runs l2, not l3 (network docker:000000000000)");
    const vepa = await refusal(lab, IPVLAN, createNetwork(idOf(23), { ipvlan_flag: "vepa" }, "10.61.0.0/16"));
    expect(vepa).toContain("ipvlan flag is per parent: lan0 runs bridge, not vepa");
    const [one] = JSON.parse(await lab.guest.must("ip -n one -j -d link show eth0"));
    expect(modeOf(one)).toEqual(["l2", "bridge"]);
    expect(await lab.services.calls(IPVLAN, [createNetwork(idOf(24), {}, "10.62.0.0/16")])).toEqual([{}]);
  },
);

scenario("macvlan on a parent of ipvlan networks is refused, with containers and without", async (lab) => {
  const busy = await refusal(lab, MACVLAN, createNetwork(idOf(25), {}, "10.63.0.0/16"));
  expect(busy).toContain("UL-P07");
  expect(busy).toContain("lan0 cannot carry macvlan: it carries ipvlan already (eth0 in netns /run/netns/");
  await lab.services.calls(IPVLAN, [deleteNetwork(RED)]);
  await lab.guest.must("ip netns del one; ip netns del two");
  const empty = await refusal(lab, MACVLAN, createNetwork(idOf(25), {}, "10.63.0.0/16"));
  expect(empty).toContain("it carries ipvlan already (network docker:000000000000)");
  await lab.services.calls(IPVLAN, [deleteNetwork(idOf(24))]);
});

scenario("so is ipvlan on a parent of a macvlan network", async (lab) => {
  expect(await lab.services.calls(MACVLAN, [createNetwork(idOf(26))])).toEqual([{}]);
  const said = await refusal(lab, IPVLAN, createNetwork(idOf(27), {}, "10.63.0.0/16"));
  expect(said).toContain(
    "lan0 cannot carry ipvlan: it carries macvlan already (network docker:000000000000)",
  );
  expect(await lab.services.calls(MACVLAN, [deleteNetwork(idOf(26))])).toEqual([{}]);
});

scenario(
  "links that somebody else made count in whatever netns they are, and are left as they were",
  async (lab) => {
    await lab.guest.must(
      "ip netns add far; ip link add far0 link lan0 type ipvlan mode l3s; ip link set far0 netns far",
    );
    const other = await refusal(lab, IPVLAN, createNetwork(idOf(28)));
    expect(other).toContain(
      "ipvlan mode is per parent: lan0 runs l3s, not l2 (far0 in netns /run/netns/far)",
    );
    expect(await refusal(lab, MACVLAN, createNetwork(idOf(28)))).toContain(
      "lan0 cannot carry macvlan: it carries ipvlan already (far0 in netns /run/netns/far)",
    );
    const [far0] = JSON.parse(await lab.guest.must("ip -n far -j -d link show far0"));
    expect(modeOf(far0)).toEqual(["l3s", "bridge"]);
    expect(await lab.services.calls(IPVLAN, [createNetwork(idOf(28), { mode: "l3s" })])).toEqual([{}]);
    await lab.services.calls(IPVLAN, [deleteNetwork(idOf(28))]);
    await lab.guest.must(`ip -n far link del far0
    ip link add far0 link lan0 type macvlan mode bridge; ip link set far0 netns far`);
    expect(await refusal(lab, IPVLAN, createNetwork(idOf(28)))).toContain(
      "lan0 cannot carry ipvlan: it carries macvlan already (far0 in netns /run/netns/far)",
    );
    await lab.guest.must("ip -n far link del far0; ip netns del far");
  },
);

scenario(
  "on l3 containers of different subnets reach each other by the link alone, and the LAN by a route to them",
  async (lab) => {
    const [green, blue] = [idOf(30), idOf(31)];
    const one = endpointLife(green, idOf(32), 5);
    const two = endpointLife(blue, idOf(33), 6);
    const inBlue = JSON.parse(JSON.stringify(two.create).replaceAll("10.60.", "10.70."));
    const l3 = { ipvlan_mode: "l3" };
    const calls = [createNetwork(green, l3), createNetwork(blue, l3, "10.70.0.0/16")];
    const answers = await lab.services.calls(IPVLAN, [...calls, one.create, one.join, inBlue, two.join]);
    expect(answers.map((answer) => answer["Err"])).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    await lab.guest.must(`
    ip address add 10.9.0.2/24 dev lan0
    ip -n router address add 10.9.0.1/24 dev lan1
    ip -n router address del 10.60.0.1/16 dev lan1
    ip -n router route add 10.60.0.0/16 via 10.9.0.2
    ${moveIn("one", nameOf(answers[3]), "10.60.0.5/16", "dev eth0")}
    ${moveIn("two", nameOf(answers[5]), "10.70.0.6/16", "dev eth0")}
    ip netns exec one busybox ping -c1 -W5 10.70.0.6
    ip netns exec two busybox ping -c1 -W5 10.60.0.5
    ip netns exec one busybox ping -c1 -W5 10.9.0.1`);
    const neighbours = await lab.guest.must("ip -n one neighbour show");
    expect(neighbours).toBe("");
  },
);

scenario(
  "a reboot keeps network and mode: a link is made as before, another mode refused as before",
  async (lab) => {
    await lab.guest.reboot();
    await lab.services.underlay();
    const { create, join } = endpointLife(idOf(30), idOf(34), 7);
    await lab.services.calls(IPVLAN, [create, join]);
    expect((await links(lab, "ipvlan")).map(modeOf)).toEqual([["l3", "bridge"]]);
    expect(await refusal(lab, IPVLAN, createNetwork(idOf(35)))).toContain("lan0 runs l3, not l2");
    const told = await lab.services.cli("status");
    expect(told).toContain("underlay-ipvlan");
  },
);

scenario("a user's MAC is refused in words, one that an IPAM had made up is ignored", async (lab) => {
  const { create } = endpointLife(idOf(30), idOf(36), 8);
  const [method, message] = create;
  const Interface = { ...message.Interface, MacAddress: "02:00:5e:00:53:01" };
  const Options = { "com.docker.network.endpoint.macaddress": "AgBeAFMB" };
  expect(await refusal(lab, IPVLAN, [method, { ...message, Interface, Options }])).toContain(
    "containers on ipvlan have the MAC address of their parent lan0",
  );
  expect(await lab.services.calls(IPVLAN, [[method, { ...message, Interface }]])).toEqual([{}]);
  const { endpoints } = JSON.parse(await lab.services.cli("endpoint", "ls", "-o", "json"));
  expect(endpoints.map(({ mac }: { mac: string | null }) => mac)).toEqual([null, null]);
});

scenario(
  "an address that a lost container's link holds is waited for, and free when that is gone",
  async (lab) => {
    const network = idOf(40);
    const [lost, next] = [endpointLife(network, idOf(41), 21), endpointLife(network, idOf(42), 21)];
    await lab.guest.must("ip link add p-own type dummy; ip link set p-own up");
    const options = { parent: "p-own", ipvlan_mode: "l3" };
    const [, , joined] = await lab.services.calls(IPVLAN, [
      createNetwork(network, options),
      lost.create,
      lost.join,
    ]);
    await lab.guest.must(moveIn("lost", nameOf(joined), "10.60.0.21/16", "dev eth0"));
    const [, , held] = await lab.services.calls(IPVLAN, [lost.remove, next.create, next.join]);
    expect(held?.["Err"]).toStartWith("address 10.60.0.21/16 is still held on p-own by a container");
    await lab.guest.must("ip netns del lost");
    expect(await lab.services.calls(IPVLAN, [next.join])).toMatchObject([{ DisableGatewayService: true }]);
  },
);
