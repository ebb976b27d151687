import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { findings } from "../../src/conditions/judge.ts";
import { formatIp } from "../../src/lib/ip.ts";
import { tryLink } from "../../src/links/parent/trial.ts";
import { type Asked, judge, judgedBy, makeLanWithNic } from "./judge.ts";
import type { Lan } from "./lan.ts";

/** Conditions against this kernel: the cause that was injected is the first finding, and judging changes nothing. */

let lan: Lan;

beforeEach(() => {
  lan = makeLanWithNic();
});

afterEach(() => lan[Symbol.dispose]());

/** Judges, and sees to it that no link is other than before. */
async function first(asked: Asked): Promise<string> {
  const before = lan.links();
  const { all } = await judge(lan, asked);
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
    const { facts } = await judge(lan, { parent: "the-office-lan-of-the-third-floor" });
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
    const { all } = await judge(lan, { parent: "eht0" });
    expect(all[0]?.message).toBe("no link is called eht0");
    expect(all[0]?.fix[0]?.run).toBe(
      "docker network create -d underlay-macvlan --ipam-driver null -o parent=eth0 NAME",
    );
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

test("a kind that this kernel does not know", async () => {
  const { facts } = await judge(lan, { parent: "eth0" });
  const trial = await tryLink(lan.scratch, {
    parent: facts.link?.ifindex ?? 0,
    info: { kind: "carrier-pigeon" },
  });
  expect(trial).toEqual({ outcome: "failed", errno: "EOPNOTSUPP", text: "Unknown device type" });
  const [worst] = findings(judgedBy({ ...facts, trial }));
  expect(worst?.id).toBe("UL-K01");
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
    const { facts, all } = await judge(lan, { parent: "eth0" });
    expect(facts.children).toEqual([]);
    expect(all.map(({ id, message }) => `${id} ${message}`)).toEqual([
      "UL-K10 no macvlan can be made on eth0: eth0 is unfit, or held by a passthru link unseen from here",
    ]);
  });
});
