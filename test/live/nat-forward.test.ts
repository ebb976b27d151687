import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { AGES, type Age, findEngine } from "../ground/engines.ts";
import type { TestNetns } from "../ground/netns.ts";
import { nft } from "../ground/nft.ts";
import { must } from "../ground/run.ts";
import { until } from "../ground/until.ts";
import { type NatScene, network, OUTSIDE, openNatScene } from "./nat-scene.ts";

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
  expect(scene.gateway.facts()).toEqual({ ufw: false, firewalld: false, legacy: false, dropping: [] });
});

test("what is not ours to change is told", async () => {
  const iptables = await iptablesOf("newest");
  await iptables.v4("-P FORWARD DROP");
  await iptables.v4("-N ufw-before-forward");
  await nft(scene.host, "add table inet firewalld ; add chain inet firewalld filter_FORWARD");
  await nft(
    scene.host,
    "add table inet mine ; add chain inet mine forward { type filter hook forward priority 5 ; policy drop ; }",
  );
  const { root } = await findEngine("newest");
  const legacy = ["chroot", root, "/usr/sbin/iptables-legacy", "-P", "FORWARD", "ACCEPT"];
  await must(["nsenter", `--net=${scene.host.path}`, ...legacy]);
  await scene.gateway.apply([NETWORK]);
  expect(await iptables.saved()).toEqual([]);
  expect(scene.gateway.facts()).toEqual({
    ufw: true,
    firewalld: true,
    legacy: true,
    dropping: ["ip filter FORWARD", "inet mine forward"],
  });
});
