import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { Finding, Judged } from "../../src/conditions/condition.ts";
import { findings } from "../../src/conditions/judge.ts";
import type { ParentFacts } from "../../src/lib/facts.ts";
import { linkNameOf, OUR_LINK_GROUP } from "../../src/lib/ifname.ts";
import { formatIp } from "../../src/lib/ip.ts";
import { macvlanDriver } from "../../src/links/macvlan/driver.ts";
import { type MacvlanMode, parseMacvlan } from "../../src/links/macvlan/spec.ts";
import { kernelParents } from "../../src/links/parent/kernel.ts";
import type { ParentMemory } from "../../src/links/parent/parents.ts";
import { kernelSurvey } from "../../src/links/parent/survey.ts";
import { setLinkRequest } from "../../src/netlink/link.ts";
import { type Lan, makeLan } from "./lan.ts";

/** Conditions against this kernel: the cause that was injected is the first finding, and judging changes nothing. */

let lan: Lan;

beforeEach(() => {
  lan = makeLan();
  lan.ip("link add eth0 type veth peer name sw0");
  lan.ip("link set eth0 up");
  lan.ip("link set sw0 up");
});

afterEach(() => lan[Symbol.dispose]());

const BOOT = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

interface Asked {
  readonly parent: string;
  readonly mode?: MacvlanMode;
  readonly mtu?: number;
  readonly memory?: ParentMemory;
}

/** As the engine does at create: facts, and a trial when there is a link. */
async function judge({
  parent,
  mode = "bridge",
  mtu,
  memory,
}: Asked): Promise<{ facts: ParentFacts; all: Finding[] }> {
  const parsed = parseMacvlan(
    { parent, mode, ...(mtu !== undefined && { mtu: String(mtu) }) },
    {},
    { ipv6: false },
  );
  if ("problems" in parsed) throw new Error(parsed.problems[0]?.message);
  const known = await kernelParents(lan, BOOT).facts(parsed.spec.parent, memory);
  const driver = macvlanDriver(lan.requests, lan.scratch, {});
  const trial = known.link && (await driver.trial(known.link.ifindex, parsed.spec));
  const facts: ParentFacts = { ...known, ...(trial && { trial }) };
  const judged: Judged = {
    network: "lan",
    kind: "macvlan",
    mode,
    ...(mtu !== undefined && { mtu }),
    ipv6: false,
    internal: false,
    subnets: [],
    parent: facts,
    neighbours: [],
    endpoints: [],
    released: [],
  };
  return { facts, all: findings(judged) };
}

/** Judges, and sees to it that no link is other than before. */
async function first(asked: Asked): Promise<string> {
  const before = lan.links();
  const { all } = await judge(asked);
  expect(lan.links()).toEqual(before);
  const [worst] = all;
  return worst ? `${worst.id} ${worst.message}` : "nothing";
}

describe("a healthy parent", () => {
  test("has no finding, in any mode, and is as it was", async () => {
    for (const mode of ["bridge", "private", "vepa", "passthru"] as const) {
      const found = await first({ parent: "eth0", mode });
      expect(found).toStartWith(mode === "vepa" ? "UL-P17" : "nothing");
    }
  });

  test("is described as ip describes it", async () => {
    lan.ip("addr add 192.168.1.5/24 dev eth0");
    lan.ip("link property add dev eth0 altname the-office-lan-of-the-third-floor");
    lan.ip("route add default via 192.168.1.1 dev eth0");
    const { facts } = await judge({ parent: "the-office-lan-of-the-third-floor" });
    const [shown] = JSON.parse(lan.ip("-d -j link show dev eth0"));
    expect(facts.asked).toBe("the-office-lan-of-the-third-floor");
    expect(facts.link).toMatchObject({
      ifindex: shown.ifindex,
      name: "eth0",
      altNames: ["the-office-lan-of-the-third-floor"],
      kind: "veth",
      hardwareType: 1,
      up: true,
      loopback: false,
      carrier: true,
      mtu: 1500,
      mac: shown.address,
    });
    expect(facts.link?.master).toBeUndefined();
    expect(facts.link?.wireless).toBeUndefined();
    expect(facts.routers.map(formatIp)).toEqual(["192.168.1.1"]);
  });

  test("in two modes beside each other", async () => {
    lan.ip("link add mv0 link eth0 type macvlan mode private");
    expect(await first({ parent: "eth0", mode: "bridge" })).toBe("nothing");
  });
});

describe("a parent that cannot carry the network", () => {
  test("a bridge port", async () => {
    lan.ip("link add br0 type bridge");
    lan.ip("link set eth0 master br0");
    expect(await first({ parent: "eth0" })).toBe(
      "UL-P06 eth0 cannot carry macvlan: it is a port of bridge br0",
    );
    expect(await first({ parent: "br0" })).toStartWith("UL-P02");
  });

  test("loopback, even when it is down", async () => {
    expect(await first({ parent: "lo" })).toBe("UL-P04 lo is the loopback link: it cannot carry macvlan");
  });

  test("missing, with the nearest spelling", async () => {
    const { all } = await judge({ parent: "eht0" });
    expect(all[0]?.message).toBe("no link is called eht0");
    expect(all[0]?.fix[0]?.run).toBe("docker network create -d underlay-macvlan -o parent=eth0 NAME");
  });

  test("down", async () => {
    lan.ip("link set eth0 down");
    expect(await first({ parent: "eth0" })).toStartWith("UL-P02 eth0 is down");
  });

  test("of a smaller MTU", async () => {
    expect(await first({ parent: "eth0", mtu: 9000 })).toBe("UL-P12 mtu 9000 is more than the 1500 of eth0");
    expect(await first({ parent: "eth0", mtu: 1500 })).toBe("nothing");
  });
});

describe("passthru is alone", () => {
  test("asked for where a link is", async () => {
    lan.ip("link add mv0 link eth0 type macvlan mode bridge");
    expect(await first({ parent: "eth0", mode: "passthru" })).toBe(
      "UL-P08 passthru needs eth0 alone, but it carries mv0 in this netns",
    );
  });

  test("there before anything else", async () => {
    lan.ip("link add mv0 link eth0 type macvlan mode passthru");
    expect(await first({ parent: "eth0" })).toBe(
      "UL-P08 eth0 belongs to a passthru link alone: mv0 in this netns",
    );
  });

  test("also when the link is in another namespace, which only a process holds", async () => {
    const container = lan.container();
    lan.ip("link add mv0 link eth0 type macvlan mode passthru");
    lan.ip(`link set mv0 netns ${container.pid}`);
    container.ip("link set mv0 name eth9");
    expect(await first({ parent: "eth0" })).toBe(
      `UL-P08 eth0 belongs to a passthru link alone: eth9 in netns ${container.path}`,
    );
  });

  test("also on a macvlan, whose own parent is what counts", async () => {
    lan.ip("link add mv0 link eth0 type macvlan mode passthru");
    expect(await first({ parent: "mv0" })).toBe(
      "UL-P08 mv0 belongs to a passthru link alone: mv0 in this netns",
    );
  });

  test("also when its namespace is out of reach: then the kernel's refusal has words of its own", async () => {
    lan.ip("link add mv0 link eth0 type macvlan mode passthru");
    lan.ip(`link set mv0 netns ${lan.unreachable}`);
    const { facts, all } = await judge({ parent: "eth0" });
    expect(facts.children).toEqual([]);
    expect(all.map(({ id, message }) => `${id} ${message}`)).toEqual([
      "UL-K10 no macvlan can be made on eth0: eth0 is unfit, or held by a passthru link unseen from here",
    ]);
  });
});

describe("children in other namespaces", () => {
  test("are found with their mode, and ours are known by their group after a rename", async () => {
    const container = lan.container();
    lan.ip(`link add ${linkNameOf("x")} link eth0 group ${OUR_LINK_GROUP} type macvlan mode bridge`);
    lan.ip(`link set ${linkNameOf("x")} netns ${container.pid}`);
    container.ip(`link set ${linkNameOf("x")} name eth0`);
    lan.ip("link add mv1 link eth0 type macvlan mode private");
    lan.ip("link add other type veth peer name rehto");
    lan.ip("link add mv2 link other type macvlan mode bridge");
    const { facts } = await judge({ parent: "eth0" });
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
    const container = lan.container();
    const [{ ifindex }] = JSON.parse(lan.ip("-j link show dev eth0"));
    container.ip(`link add twin index ${ifindex} type veth peer name niwt`);
    container.ip("link add mv0 link twin type macvlan mode passthru");
    expect(await first({ parent: "eth0", mode: "passthru" })).toBe("nothing");
  });
});

describe("the parent is found", () => {
  test("by the default route of the lowest metric", async () => {
    lan.ip("link add eth1 type veth peer name sw1");
    lan.ip("link set eth1 up");
    lan.ip("link set sw1 up");
    lan.ip("addr add 192.168.1.5/24 dev eth0");
    lan.ip("addr add 10.0.0.5/24 dev eth1");
    lan.ip("route add default via 192.168.1.1 dev eth0 metric 200");
    lan.ip("route add default via 10.0.0.1 dev eth1 metric 100");
    const { facts } = await judge({ parent: "auto" });
    expect([facts.asked, facts.link?.name]).toEqual(["eth1", "eth1"]);
    expect(facts.routers.map(formatIp)).toEqual(["10.0.0.1"]);
  });

  test("by a multipath default route, with the router of its own leg", async () => {
    lan.ip("link add eth1 type veth peer name sw1");
    lan.ip("link set eth1 up");
    lan.ip("link set sw1 up");
    lan.ip("addr add 192.168.1.5/24 dev eth0");
    lan.ip("addr add 10.0.0.5/24 dev eth1");
    lan.ip("route add default nexthop via 10.0.0.1 dev eth1 nexthop via 192.168.1.1 dev eth0");
    expect((await judge({ parent: "auto" })).facts.link?.name).toBe("eth1");
    expect((await judge({ parent: "eth0" })).facts.routers.map(formatIp)).toEqual(["192.168.1.1"]);
  });

  test("by an IPv6 default route when there is no other; an unreachable one is none", async () => {
    lan.ip("-6 route add unreachable default metric 1");
    expect((await judge({ parent: "auto" })).all[0]?.id).toBe("UL-P01");
    lan.ip("addr add 2001:db8::5/64 dev eth0 nodad");
    lan.ip("-6 route add default via 2001:db8::1 dev eth0 metric 1024");
    const { facts } = await judge({ parent: "auto" });
    expect([facts.link?.name, ...facts.routers.map(formatIp)]).toEqual(["eth0", "2001:db8::1"]);
  });

  test("under a name that looks like a VLAN but is a link", async () => {
    lan.ip("link set eth0 down");
    lan.ip("link set eth0 name eth0.50");
    lan.ip("link set eth0.50 up");
    expect(await first({ parent: "eth0.50" })).toBe("nothing");
  });

  test("by its index after a rename in the same boot, by its MAC as a candidate after another", async () => {
    const [{ ifindex, address: mac }] = JSON.parse(lan.ip("-j link show dev eth0"));
    lan.ip("link set eth0 down");
    lan.ip("link set eth0 name enp3s0");
    const memory = { name: "eth0", ifindex, mac, bootId: BOOT };
    const same = await judge({ parent: "eth0", memory });
    expect([same.facts.asked, same.facts.link?.name]).toEqual(["eth0", "enp3s0"]);
    const other = await judge({ parent: "eth0", memory: { ...memory, bootId: "before" } });
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
  const found = (await kernelSurvey(lan)()).filter(({ owner }) => owner.startsWith(`test:${process.pid}/`));
  expect(found.map(({ owner, name, home, netns }) => [owner, name, home, netns.path])).toEqual([
    [`test:${process.pid}/${here}`, here, true, "host"],
    [`test:${process.pid}/${there}`, "eth0", false, container.path],
  ]);
});
