import { expect } from "bun:test";
import { HOST_STEPS } from "../../src/engine/steps.ts";
import { hostLinkNameOf } from "../../src/lib/ifname.ts";
import { DRIVER as MACVLAN } from "../ground/scene.ts";
import { createNetwork, type DockerCall, deleteNetwork, endpointLife, idOf } from "../live/docker-calls.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

/** `host_access` on what only this kernel has: ipvlan, VLANs and dummies, and through a power cut. No dockerd. */

const scenario = scenariosIn("newest");

const IPVLAN = "underlay-ipvlan";
const NET = idOf(1);
const LINK = hostLinkNameOf(`docker:${NET}`);
const HOST = "10.60.0.2";
const OWN = { v4: "10.60.0.9", v6: "fd60::9" } as const;

/** A network of both families. */
function dual(id: string, options: Readonly<Record<string, string>>): DockerCall {
  const [method, message] = createNetwork(id, options);
  const Options = {
    "com.docker.network.enable_ipv6": true,
    "com.docker.network.generic": { parent: "lan0", ...options },
  };
  const IPv6Data = [{ AddressSpace: "LocalDefault", Pool: "fd60::/64", Gateway: "fd60::1/64" }];
  return [method, { ...message, Options, IPv6Data }];
}

function dualLife(id: string, serial: number, host: number) {
  const life = endpointLife(id, idOf(serial), host);
  const [method, message] = life.create;
  const Interface = { ...message.Interface, AddressIPv6: `fd60::${host}/64` };
  return { ...life, create: [method, { ...message, Interface }] satisfies DockerCall };
}

async function say({ services }: Lab, driver: string, ...calls: readonly DockerCall[]) {
  const answers = await services.calls(driver, calls);
  for (const answer of answers) expect(answer["Err"]).toBeUndefined();
  return answers;
}

function nameOf(joined: Record<string, unknown> | undefined): string {
  const name = joined?.["InterfaceName"];
  return typeof name === "object" && name !== null && "SrcName" in name ? String(name.SrcName) : "no link";
}

/** As a runtime does: into a netns, renamed, addressed, up. */
const moveIn = (netns: string, link: string, host: number, route: string) => `
  ip netns add ${netns}
  ip link set ${link} netns ${netns} name eth0
  ip -n ${netns} address add 10.60.0.${host}/16 dev eth0
  ip -n ${netns} address add fd60::${host}/64 dev eth0 nodad
  ip -n ${netns} link set eth0 up
  ip -n ${netns} route add default ${route}`;

const ping = (address: string) => `busybox ping -c1 -W5 ${address}`;
const pingIn = (netns: string, address: string) => `ip netns exec ${netns} ${ping(address)}`;

async function hostLinks({ guest }: Lab): Promise<string[]> {
  const links: readonly { ifname?: string }[] = JSON.parse(await guest.must("ip -j link show"));
  return links.flatMap(({ ifname = "" }) => (ifname.startsWith("ulh-") ? [ifname] : []));
}

async function routes({ guest }: Lab, netns = ""): Promise<string> {
  const at = netns === "" ? "" : `-n ${netns}`;
  return guest.must(`ip ${at} route show; ip ${at} -6 route show`);
}

scenario("what ipvlan cannot do is refused by words at network create", async (lab) => {
  await lab.services.underlay();
  await lab.guest.must(`
    ip address add ${HOST}/16 dev lan0
    ip address add fd60::2/64 dev lan0 nodad
    ip link set lan0 up
    ip -n router address add 10.60.0.1/16 dev lan1
    ip -n router address add fd60::1/64 dev lan1 nodad
    ip -n router link set lan1 up
    ip netns add machine
    ip link add behind0 type veth peer name behind1
    ip link set behind1 netns machine
    ip address add 10.99.5.1/24 dev behind0
    ip link set behind0 up
    ip -n machine address add 10.99.5.2/24 dev behind1
    ip -n machine link set behind1 up
    ip -n machine route add default via 10.99.5.1
    echo 1 >/proc/sys/net/ipv4/ip_forward`);
  const refused = async (options: Readonly<Record<string, string>>) => {
    const [answer] = await lab.services.calls(IPVLAN, [
      createNetwork(NET, { host_access: "true", ...options }),
    ]);
    return String(answer?.["Err"] ?? "no refusal");
  };
  expect(await refused({})).toContain("in mode l2 the parent's own address cannot be shared");
  expect(await refused({ host_address: HOST })).toContain("the parent's own; give one that nobody has");
  expect(await refused({ ipvlan_flag: "private" })).toContain("hear no other link on their parent");
  expect(await refused({ ipvlan_flag: "vepa" })).toContain("go through the switch");
});

for (const { mode, options, address } of [
  { mode: "l2", options: { host_address: `${OWN.v4},${OWN.v6}` }, address: OWN },
  { mode: "l3", options: {}, address: { v4: HOST, v6: "fd60::2" } },
  { mode: "l3s", options: { host_address: `${OWN.v4},${OWN.v6}` }, address: OWN },
]) {
  scenario(
    `ipvlan ${mode}: host and containers reach each other, and the LAN what it reached`,
    async (lab) => {
      const before = await routes(lab);
      const [one, two] = [dualLife(NET, 11, 7), dualLife(NET, 12, 8)];
      const create = dual(NET, { ipvlan_mode: mode, host_access: "true", ...options });
      const answers = await say(lab, IPVLAN, create, one.create, one.join, two.create, two.join);
      const way = mode === "l2" ? "via 10.60.0.1" : "dev eth0";
      await lab.guest.must(`
      ${moveIn("one", nameOf(answers[2]), 7, way)}
      ${moveIn("two", nameOf(answers[4]), 8, way)}
      for each in 10.60.0.7 fd60::7 10.60.0.8 fd60::8 10.60.0.1 fd60::1; do ${ping("$each")}; done
      for each in ${address.v4} ${address.v6} 10.60.0.8; do ${pingIn("one", "$each")}; done
      ${pingIn("two", address.v4)}
      ${pingIn("router", HOST)}
      ${pingIn("router", "fd60::2")}`);
      // The parent may filter as it likes: what containers send the host comes in by the host's own link, or by no link.
      await lab.guest.must(`
      echo 1 >/proc/sys/net/ipv4/conf/lan0/rp_filter
      ${ping("10.60.0.7")}
      ${pingIn("one", address.v4)}
      echo 0 >/proc/sys/net/ipv4/conf/lan0/rp_filter`);
      if (mode === "l2") await lab.guest.must(pingIn("one", "10.60.0.1"));
      const [link] = JSON.parse(await lab.guest.must(`ip -j -d link show ${LINK}`));
      expect([link.link, link.linkinfo.info_kind, link.linkinfo.info_data.mode]).toEqual([
        "lan0",
        "ipvlan",
        mode,
      ]);
      expect(await lab.guest.must("ip route get 10.60.0.1")).toContain("dev lan0 src 10.60.0.2");
      expect(await lab.guest.must("ip route get 10.60.0.7")).toContain(`dev ${LINK} src ${address.v4}`);
      // A machine behind the host: answers come back by a route of the container's, in l3 only by masquerading.
      const back = `ip -n two route add 10.99.5.0/24 via ${address.v4}`;
      const nat = `iptables -t nat -A POSTROUTING -o ${LINK} -j MASQUERADE`;
      await lab.guest.must(`
      if ip netns exec machine busybox ping -c1 -W1 10.60.0.8; then exit 1; fi
      ${mode === "l2" ? back : nat}
      ${pingIn("machine", "10.60.0.8")}
      iptables -t nat -F POSTROUTING`);
      await say(lab, IPVLAN, one.leave, one.remove);
      expect(await routes(lab)).not.toContain("10.60.0.7");
      await lab.guest.must(ping("10.60.0.8"));
      await say(lab, IPVLAN, two.leave, two.remove);
      expect(await hostLinks(lab)).toEqual([]);
      expect(await routes(lab)).toBe(before);
      await say(lab, IPVLAN, deleteNetwork(NET));
      await lab.guest.must("ip netns del one; ip netns del two");
    },
  );
}

scenario("a host-only network, without a parent, is the host's too with an address", async (lab) => {
  for (const driver of [MACVLAN, IPVLAN]) {
    const life = endpointLife(NET, idOf(11), 7);
    const [method, message] = createNetwork(NET, {}, "10.61.0.0/16");
    const generic = { host_access: "true", host_address: "10.61.0.9" };
    const create: DockerCall = [method, { ...message, Options: { "com.docker.network.generic": generic } }];
    const Interface = { Address: "10.61.0.7/16", AddressIPv6: "", MacAddress: "" };
    const endpoint: DockerCall = [life.create[0], { ...life.create[1], Interface }];
    const answers = await say(lab, driver, create, endpoint, life.join);
    await lab.guest.must(`
      ip netns add one
      ip link set ${nameOf(answers[2])} netns one name eth0
      ip -n one address add 10.61.0.7/16 dev eth0
      ip -n one link set eth0 up
      ${ping("10.61.0.7")}
      ${pingIn("one", "10.61.0.9")}`);
    await say(lab, driver, life.leave, life.remove, deleteNetwork(NET));
    expect(await hostLinks(lab)).toEqual([]);
    await lab.guest.must("ip netns del one");
  }
});

scenario(
  "two networks on one VLAN, of both families: each has its link, and the last takes the VLAN",
  async (lab) => {
    const onVlan = { parent: "lan0.50", host_access: "true" };
    const other = idOf(2);
    const [one, two] = [dualLife(NET, 11, 7), endpointLife(other, idOf(12), 8)];
    await lab.guest.must(`
    ip address flush dev lan0
    ip -n router address flush dev lan1
    ip -n router link add link lan1 name lan1.50 type vlan id 50
    ip -n router address add 10.60.0.1/16 dev lan1.50
    ip -n router link set lan1.50 up`);
    const create = dual(NET, { ...onVlan, host_address: `${OWN.v4},${OWN.v6}` });
    const answers = await say(
      lab,
      MACVLAN,
      create,
      createNetwork(other, { ...onVlan, host_address: "10.60.0.10" }),
      one.create,
      one.join,
      two.create,
      two.join,
    );
    await lab.guest.must(`
    ${moveIn("one", nameOf(answers[3]), 7, "via 10.60.0.1")}
    ${moveIn("two", nameOf(answers[5]), 8, "via 10.60.0.1")}
    for each in 10.60.0.7 fd60::7 10.60.0.8; do ${ping("$each")}; done
    for each in ${OWN.v4} ${OWN.v6} 10.60.0.1; do ${pingIn("one", "$each")}; done
    ${pingIn("two", "10.60.0.10")}`);
    expect(await hostLinks(lab)).toHaveLength(2);
    await say(lab, MACVLAN, two.leave, two.remove, deleteNetwork(other));
    expect(await hostLinks(lab)).toEqual([LINK]);
    await lab.guest.must(ping("10.60.0.7"));
    await say(lab, MACVLAN, one.leave, one.remove, deleteNetwork(NET));
    expect(await hostLinks(lab)).toEqual([]);
    expect(await lab.guest.must("ip -j link show type vlan | tr -d '[:space:]{}'")).toBe("[]");
    await lab.guest.must("ip netns del one; ip netns del two");
  },
);

const OPEN = createNetwork(NET, { parent: "lan0.50", host_access: "true", host_address: OWN.v4 });

/** The network with a container, and the daemon dies at the step. */
async function dieAt(lab: Lab, step: string): Promise<void> {
  const life = endpointLife(NET, idOf(11), 7);
  const daemon = await lab.services.underlay(step);
  const whole = [OPEN, life.create, life.join, life.leave, life.remove];
  const answers = await lab.services.calls(MACVLAN, whole).catch(() => "none");
  expect([step, answers, await daemon.ended]).toEqual([step, "none", 128 + 9]);
}

for (const step of HOST_STEPS) {
  scenario(
    `a power cut at ${step}: after the boot the network is whole, and its link comes and goes`,
    async (lab) => {
      if (step === HOST_STEPS[0]) await lab.guest.cut().then(() => lab.guest.boot());
      await dieAt(lab, step);
      await lab.guest.cut();
      await lab.guest.boot();
      const daemon = await lab.services.underlay();
      expect([step, await hostLinks(lab)]).toEqual([step, []]);
      const again = endpointLife(NET, idOf(21), 7);
      await say(lab, MACVLAN, again.create, again.join);
      expect([step, await hostLinks(lab)]).toEqual([step, [LINK]]);
      expect(await lab.guest.must(`ip route show dev ${LINK}`)).toContain(
        `10.60.0.7 proto static scope link src ${OWN.v4}`,
      );
      await say(lab, MACVLAN, again.leave, again.remove);
      expect([step, await hostLinks(lab)]).toEqual([step, []]);
      await say(lab, MACVLAN, deleteNetwork(NET));
      const { actions } = JSON.parse(await lab.services.cli("gc", "--dry-run", "-o", "json"));
      expect([step, actions]).toEqual([step, []]);
      daemon.signal("SIGTERM");
      await daemon.ended;
    },
  );
}
