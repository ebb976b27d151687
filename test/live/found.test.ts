import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { linkNameOf, OUR_LINK_GROUP } from "../../src/lib/ifname.ts";
import { formatIp } from "../../src/lib/ip.ts";
import { kernelSurvey } from "../../src/links/parent/survey.ts";
import { setLinkRequest } from "../../src/netlink/link.ts";
import { type Asked, addNic, BOOT, judge, makeLanWithNic } from "./judge.ts";
import type { Lan } from "./lan.ts";

/** How parents, their children in other namespaces and links of ours are found on this kernel. */

let lan: Lan;

beforeEach(() => {
  lan = makeLanWithNic();
});

afterEach(() => lan[Symbol.dispose]());

async function messages(asked: Asked): Promise<string[]> {
  return (await judge(lan, asked)).all.map(({ message }) => message);
}

describe("children in other namespaces", () => {
  test("are found with their mode, and ours are known by their group after a rename", async () => {
    const container = lan.container();
    lan.ip(`link add ${linkNameOf("x")} link eth0 group ${OUR_LINK_GROUP} type macvlan mode bridge`);
    lan.ip(`link set ${linkNameOf("x")} netns ${container.pid}`);
    container.ip(`link set ${linkNameOf("x")} name eth0`);
    lan.ip("link add mv1 link eth0 type macvlan mode private");
    lan.ip("link add other type veth peer name rehto");
    lan.ip("link add mv2 link other type macvlan mode bridge");
    const { facts } = await judge(lan, { parent: "eth0" });
    expect(
      facts.children.map(({ name, kind, mode, ours, netns }) => ({
        name,
        kind,
        mode,
        ours,
        path: netns.path,
      })),
    ).toEqual([
      { name: "mv1", kind: "macvlan", mode: "private", ours: false, path: "host" },
      { name: "eth0", kind: "macvlan", mode: "bridge", ours: true, path: container.path },
    ]);
  });

  test("of a parent with the same index elsewhere are not taken for this one's", async () => {
    const [one, other, stranger] = [lan.container(), lan.container(), lan.container()];
    const [{ ifindex }] = JSON.parse(lan.ip("-j link show dev eth0"));
    one.ip(`link add twin index ${ifindex} type veth peer name niwt`);
    stranger.ip(`link add twin index ${ifindex} type veth peer name niwt`);
    stranger.ip("link add alone link twin type macvlan mode bridge");
    for (const name of ["beside", "away", "home"])
      one.ip(`link add ${name} link twin type macvlan mode bridge`);
    one.ip(`link set away netns ${other.pid}`);
    one.ip(`link set home netns ${lan.path}`);
    lan.ip("link add mv0 link eth0 type macvlan mode bridge");
    lan.ip(`link set mv0 netns ${other.pid}`);
    const { facts } = await judge(lan, { parent: "eth0" });
    expect(facts.children.map(({ name, netns }) => [name, netns.path])).toEqual([["mv0", other.path]]);
  });
});

describe("the parent is found", () => {
  test("by the default route of the lowest metric", async () => {
    addNic(lan, "eth1", "sw1");
    lan.ip("addr add 192.168.1.5/24 dev eth0");
    lan.ip("addr add 10.0.0.5/24 dev eth1");
    lan.ip("route add default via 192.168.1.1 dev eth0 metric 200");
    lan.ip("route add default via 10.0.0.1 dev eth1 metric 100");
    const { facts } = await judge(lan, { parent: "auto" });
    expect([facts.asked, facts.link?.name]).toEqual(["eth1", "eth1"]);
    expect(facts.routers.map(formatIp)).toEqual(["10.0.0.1"]);
  });

  test("by a multipath default route, with the router of its own leg", async () => {
    addNic(lan, "eth1", "sw1");
    lan.ip("addr add 192.168.1.5/24 dev eth0");
    lan.ip("addr add 10.0.0.5/24 dev eth1");
    lan.ip("route add default nexthop via 10.0.0.1 dev eth1 nexthop via 192.168.1.1 dev eth0");
    expect((await judge(lan, { parent: "auto" })).facts.link?.name).toBe("eth1");
    expect((await judge(lan, { parent: "eth0" })).facts.routers.map(formatIp)).toEqual(["192.168.1.1"]);
  });

  test("by an IPv6 default route when there is no other; an unreachable one is none", async () => {
    lan.ip("-6 route add unreachable default metric 1");
    expect((await judge(lan, { parent: "auto" })).all[0]?.id).toBe("UL-P01");
    lan.ip("addr add 2001:db8::5/64 dev eth0 nodad");
    lan.ip("-6 route add default via 2001:db8::1 dev eth0 metric 1024");
    const { facts } = await judge(lan, { parent: "auto" });
    expect([facts.link?.name, ...facts.routers.map(formatIp)]).toEqual(["eth0", "2001:db8::1"]);
  });

  test("under a name that looks like a VLAN but is a link", async () => {
    lan.ip("link set eth0 down");
    lan.ip("link set eth0 name eth0.50");
    lan.ip("link set eth0.50 up");
    expect(await messages({ parent: "eth0.50" })).toEqual([]);
  });

  test("by its index after a rename in the same boot, by its MAC as a candidate after another", async () => {
    const [{ ifindex, address: mac }] = JSON.parse(lan.ip("-j link show dev eth0"));
    lan.ip("link set eth0 down");
    lan.ip("link set eth0 name enp3s0");
    const memory = { name: "eth0", ifindex, mac, bootId: BOOT };
    const same = await judge(lan, { parent: "eth0", memory });
    expect([same.facts.asked, same.facts.link?.name]).toEqual(["eth0", "enp3s0"]);
    expect(same.all[0]?.message).toBe("eth0 is called enp3s0 now: after the next boot it would be missing");
    const other = await judge(lan, { parent: "eth0", memory: { ...memory, bootId: "before" } });
    expect(other.facts.candidates).toEqual(["enp3s0"]);
    expect(other.all[0]?.id).toBe("UL-P01");
  });
});

test("a survey finds links of ours at home and in containers, and nobody else's", async () => {
  const container = lan.container();
  const [here, there, stranger] = [linkNameOf("here"), linkNameOf("there"), "mv9"];
  for (const name of [here, there])
    lan.ip(`link add ${name} link eth0 group ${OUR_LINK_GROUP} type macvlan mode bridge`);
  lan.ip(`link add ${stranger} link eth0 type macvlan mode bridge`);
  for (const name of [here, there, stranger]) {
    await lan.requests.request(setLinkRequest({ name }, { alias: `underlay test:${process.pid}/${name}` }));
  }
  lan.ip(`link set ${there} netns ${container.pid}`);
  container.ip(`link set ${there} name eth0`);
  const found = (await kernelSurvey(lan)()).links.filter(({ owner }) =>
    owner.startsWith(`test:${process.pid}/`),
  );
  expect(found.map(({ owner, name, home, netns }) => [owner, name, home, netns.path])).toEqual([
    [`test:${process.pid}/${here}`, here, true, "host"],
    [`test:${process.pid}/${there}`, "eth0", false, container.path],
  ]);
});
