import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { AGES, type Age, findEngine } from "../ground/engines.ts";
import type { TestNetns } from "../ground/netns.ts";
import { nft } from "../ground/nft.ts";
import { must } from "../ground/run.ts";
import { until } from "../ground/until.ts";
import { lookAtForwarding, type NatScene, network, OUTSIDE, openNatScene } from "./nat-scene.ts";

/** Beside the rules of others that drop what is forwarded: iptables' own policy, chains as Docker makes them, ufw, firewalld. */

const { host4, machine4 } = OUTSIDE;
const WEB = "10.1.0.2";
const NETWORK = network("br1", ["10.1.0.0/24", "fd00:1::/64"], [`8080 -> ${WEB}:80/tcp`]);

let scene: NatScene;
let web: TestNetns;
beforeEach(async () => {
  scene = await openNatScene();
  scene.bridge("br1", "10.1.0.1/24", "fd00:1::1/64");
  web = await scene.container("br1", [`${WEB}/24`, "fd00:1::2/64"], ["10.1.0.1", "fd00:1::1"]);
});
afterEach(() => scene[Symbol.asyncDispose]());

/** iptables-nft of a Debian, in the host's netns. */
async function iptablesOf(age: Age) {
  const { root } = await findEngine(age);
  const call = (program: string, ...args: readonly string[]) =>
    must(["nsenter", `--net=${scene.host.path}`, "chroot", root, `/usr/sbin/${program}`, ...args]);
  return {
    v4: (rule: string) => call("iptables", ...rule.split(" ")),
    v6: (rule: string) => call("ip6tables", ...rule.split(" ")),
    /** Rules of table filter, as iptables-save prints them. */
    saved: async (program = "iptables") =>
      (await call(program, "-S")).split("\n").filter((line) => line.startsWith("-A ")),
  };
}

const look = () => lookAtForwarding(scene.host, "br1");

/** As firewalld 2 has them, as far as they matter. */
const FIREWALLD = `
table inet firewalld {
  chain filter_FWD_public { jump filter_FWD_public_allow; reject with icmpx admin-prohibited; }
  chain filter_FWD_public_allow { tcp dport 22 accept; }
  chain filter_FWD_trusted { accept; }
  chain filter_FORWARD_ZONES { iifname "up0" goto filter_FWD_public; goto filter_FWD_public; }
  chain filter_FORWARD {
    type filter hook forward priority 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    jump filter_FORWARD_ZONES
    reject with icmpx admin-prohibited
  }
}`;

async function passes(): Promise<boolean> {
  const answers = [await scene.ask(web, "tcp", machine4), await scene.ask(scene.outside, "tcp", host4, 8080)];
  return answers.join() === [host4, machine4].join();
}

describe.each(AGES)("iptables of the %s Debian", (age) => {
  test("a policy that drops, set before and after, flushed, and taken back", async () => {
    const iptables = await iptablesOf(age);
    await iptables.v4("-P FORWARD DROP");
    await iptables.v6("-P FORWARD DROP");
    await scene.gateway.apply([NETWORK]);
    expect(await passes()).toBe(true);
    expect(await scene.ask(web, "tcp", OUTSIDE.machine6)).toBe(OUTSIDE.host6);
    const ours = [
      '-A FORWARD -o br1 -m comment --comment "underlay: net-br1" -j ACCEPT',
      '-A FORWARD -i br1 -m comment --comment "underlay: net-br1" -j ACCEPT',
    ];
    expect(await iptables.saved()).toEqual(ours);
    expect(await iptables.saved("ip6tables")).toEqual(ours);

    await iptables.v4("-F FORWARD");
    await until("they are back", async () => (await iptables.saved()).length === 2);
    await iptables.v4("-P FORWARD ACCEPT");
    await until("they are gone", async () => (await iptables.saved()).length === 0);
    await iptables.v4("-P FORWARD DROP");
    await until("they are back again", async () => (await iptables.saved()).length === 2);
    expect(await passes()).toBe(true);

    await scene.gateway.apply([]);
    expect([await iptables.saved(), await iptables.saved("ip6tables")]).toEqual([[], []]);
  });

  test("a person's own rules come first, and stay", async () => {
    const iptables = await iptablesOf(age);
    await iptables.v4("-P FORWARD DROP");
    await scene.gateway.apply([NETWORK]);
    await iptables.v4(`-I FORWARD -s ${machine4} -j DROP`);
    await scene.gateway.settled();
    expect(await scene.ask(scene.outside, "tcp", host4, 8080)).toBe("timeout");
    await scene.gateway.apply([]);
    expect(await iptables.saved()).toEqual([`-A FORWARD -s ${machine4}/32 -j DROP`]);
  });

  test("chains as Docker's: behind a person's rules in DOCKER-USER, and no way to Docker's own containers", async () => {
    const iptables = await iptablesOf(age);
    scene.bridge("docker0", "172.17.0.1/16");
    const docker = await scene.container("docker0", ["172.17.0.2/16"], ["172.17.0.1"]);
    for (const rule of [
      "-P FORWARD DROP",
      "-N DOCKER-USER",
      "-A DOCKER-USER -j RETURN",
      "-N DOCKER-ISOLATION-STAGE-1",
      "-N DOCKER-ISOLATION-STAGE-2",
      "-A FORWARD -j DOCKER-USER",
      "-A FORWARD -j DOCKER-ISOLATION-STAGE-1",
      "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
      "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
      "-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2",
      "-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP",
    ])
      await iptables.v4(rule);
    const before = await iptables.saved();
    await scene.gateway.apply([NETWORK]);
    expect(await passes()).toBe(true);
    expect(await scene.ask(web, "tcp", "172.17.0.2")).toBe("timeout");
    expect(await scene.ask(docker, "tcp", WEB)).toBe("timeout");
    expect(await scene.ask(docker, "tcp", host4, 8080)).toBe("172.17.0.2");
    expect((await iptables.saved()).filter((line) => line.startsWith("-A DOCKER-USER"))).toEqual([
      '-A DOCKER-USER -o br1 -m comment --comment "underlay: net-br1" -j ACCEPT',
      '-A DOCKER-USER -i br1 -o docker0 -m comment --comment "underlay: net-br1" -j RETURN',
      '-A DOCKER-USER -i br1 -m comment --comment "underlay: net-br1" -j ACCEPT',
      "-A DOCKER-USER -j RETURN",
    ]);
    await iptables.v4(`-I DOCKER-USER -s ${machine4} -j DROP`);
    expect(await scene.ask(scene.outside, "tcp", host4, 8080)).toBe("timeout");
    await iptables.v4(`-D DOCKER-USER -s ${machine4} -j DROP`);
    await scene.gateway.apply([]);
    expect(await iptables.saved()).toEqual(before);
  });

  test("what iptables-restore put back is known again", async () => {
    const iptables = await iptablesOf(age);
    await iptables.v4("-P FORWARD DROP");
    const { root } = await findEngine(age);
    const save = ["nsenter", `--net=${scene.host.path}`, "chroot", root];
    await scene.gateway.apply([NETWORK]);
    const text = await must([...save, "/usr/sbin/iptables-save"]);
    await must([...save, "/usr/sbin/iptables-restore"], { input: `${text}\n` });
    await scene.gateway.settled();
    const lines = await iptables.saved();
    expect(lines.filter((line) => line.includes("underlay: "))).toHaveLength(2);
    await scene.gateway.apply([]);
    expect((await iptables.saved()).filter((line) => line.includes("underlay: "))).toEqual([]);
  });
});

test("with FORWARD open nothing is put there", async () => {
  const iptables = await iptablesOf("newest");
  await iptables.v4("-P FORWARD ACCEPT");
  await scene.gateway.apply([NETWORK]);
  expect(await iptables.saved()).toEqual([]);
  expect(await look()).toEqual({ blocked: [], unread: [] });
});

test("what is not ours to change is told, and what was told mends it", async () => {
  const iptables = await iptablesOf("newest");
  await iptables.v4("-P FORWARD DROP");
  await iptables.v4("-N ufw-before-forward");
  await iptables.v4("-A FORWARD -j ufw-before-forward");
  await iptables.v4("-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
  await iptables.v4("-A ufw-before-forward -p icmp -j ACCEPT");
  await nft(
    scene.host,
    "add table inet mine ; add chain inet mine forward { type filter hook forward priority 5 ; policy drop ; }",
  );
  await nft(scene.host, "add rule inet mine forward ct state established,related accept");
  await nft(scene.host, "add rule inet mine forward iifname lo accept");
  const { root } = await findEngine("newest");
  const legacy = ["chroot", root, "/usr/sbin/iptables-legacy", "-P", "FORWARD", "ACCEPT"];
  await must(["nsenter", `--net=${scene.host.path}`, ...legacy]);
  await scene.gateway.apply([NETWORK]);
  expect(await iptables.saved()).toHaveLength(3);
  expect(await scene.ask(web, "tcp", machine4)).toBe("timeout");
  const ufw = { chain: { family: "ip", table: "filter", chain: "FORWARD" }, keeper: "ufw" } as const;
  const own = { chain: { family: "inet", table: "mine", chain: "forward" }, keeper: "nobody" } as const;
  const dropped = { link: "br1", by: "policy drop" };
  expect(await look()).toEqual({
    blocked: [
      { ...ufw, ...dropped, way: "from", isAll: false },
      { ...own, ...dropped, way: "from", isAll: true },
      { ...own, ...dropped, way: "to", isAll: true },
    ],
    unread: ["br1"],
  });

  // What the way out says of nft; ufw itself writes such rules for `ufw route allow`.
  await nft(scene.host, ...'insert rule inet mine forward iifname "br1" accept'.split(" "));
  await nft(scene.host, ...'insert rule inet mine forward oifname "br1" accept'.split(" "));
  expect((await look()).blocked).toMatchObject([ufw]);
  await iptables.v4("-N ufw-user-forward");
  await iptables.v4("-A ufw-before-forward -j ufw-user-forward");
  await iptables.v4("-A ufw-user-forward -i br1 -j ACCEPT");
  await iptables.v4("-A ufw-user-forward -o br1 -j ACCEPT");
  expect((await look()).blocked).toEqual([]);
  expect(await passes()).toBe(true);
});

test("chains as firewalld's: a zone that rejects, and one that does not", async () => {
  await nft(scene.host, FIREWALLD);
  await scene.gateway.apply([NETWORK]);
  expect(await scene.ask(web, "tcp", machine4)).toBe("EHOSTUNREACH");
  expect((await look()).blocked).toMatchObject([
    { keeper: "firewalld", way: "from", by: "rule 2 of filter_FWD_public: reject", isAll: false },
  ]);
  // Within a zone all is passed on, where it is so set: packets that leave by what is in it.
  await nft(scene.host, "add rule inet firewalld filter_FWD_public_allow oifname up0 accept");
  expect((await look()).blocked).toEqual([]);
  expect(await passes()).toBe(true);
  await nft(scene.host, "flush chain inet firewalld filter_FWD_public_allow");
  await nft(
    scene.host,
    "insert rule inet firewalld filter_FORWARD_ZONES iifname br1 goto filter_FWD_trusted",
  );
  expect((await look()).blocked).toEqual([]);
  expect(await passes()).toBe(true);
});

test("sets, maps, prefixes and addresses may let all pass, and nothing is said then", async () => {
  const table =
    "add table inet mine ; add chain inet mine forward { type filter hook forward priority 5 ; policy drop ; }";
  await scene.gateway.apply([NETWORK]);
  for (const rule of [
    "iifname { br1, br2 } accept",
    "iifname vmap { br1 : accept, lo : accept }",
    'iifname "br*" accept',
    "ip saddr 10.1.0.0/24 accept",
    "oifname up0 accept",
    "meta mark 7 accept",
  ]) {
    await nft(scene.host, table);
    expect((await look()).blocked.map(({ way }) => way)).toEqual(["from", "to"]);
    await nft(scene.host, ...`add rule inet mine forward ${rule}`.split(" "));
    const { blocked } = await look();
    expect([rule, blocked.filter(({ way }) => way === "from")]).toEqual([rule, []]);
    await nft(scene.host, "delete table inet mine");
  }
});
