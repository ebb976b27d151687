import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type NatKernelTable, natTable } from "../../src/links/nat/table.ts";
import { Conversation } from "../../src/netlink/conversation.ts";
import { generation } from "../../src/netlink/nft-events.ts";
import { NETLINK_NETFILTER, openRequestSocket } from "../../src/netlink/open.ts";
import { inlineTransport } from "../../src/netlink/transport.ts";
import { nft } from "../ground/nft.ts";
import { until } from "../ground/until.ts";
import { type NatScene, network, openNatScene } from "./nat-scene.ts";

/** The table as the kernel has it: made in one transaction, known again, and made again when somebody takes from it. */

let scene: NatScene;
let firewall: Conversation;
let table: NatKernelTable;
beforeEach(async () => {
  scene = await openNatScene();
  scene.bridge("br1", "10.1.0.1/24");
  const { libc, netns } = scene.host;
  firewall = new Conversation(inlineTransport(openRequestSocket(libc, NETLINK_NETFILTER, netns)));
  table = natTable(() => firewall);
});
afterEach(async () => {
  firewall.close();
  await scene[Symbol.asyncDispose]();
});

const ports = (count: number) =>
  Array.from({ length: count }, (_, i) => `${8000 + i} -> 10.1.0.2:${1 + i}/${i % 2 ? "udp" : "tcp"}`);
const MOVED = ports(3).map((port) => port.replace("10.1.0.2", "10.1.0.9"));
const ONE = network("br1", ["10.1.0.0/24"], ports(2));
const ruleset = () => nft(scene.host, "list", "ruleset");

test("made, kept, changed, removed: each in one transaction, or in none", async () => {
  const two = [ONE, network("br2", ["10.2.0.0/24", "fd00:2::/64"], [], { internal: true })];
  for (const [networks, expected, transactions] of [
    [[], "kept", 0],
    [[ONE], "made", 1],
    [[ONE], "kept", 0],
    [two, "made", 1],
    [two, "kept", 0],
    [[network("br1", ["10.1.0.0/24"], ports(200))], "made", 1],
    [[network("br1", ["10.1.0.0/24"], ports(200))], "kept", 0],
    [[network("br1", ["10.1.0.0/24"], ports(1500))], "ports", 1],
    [[network("br1", ["10.1.0.0/24"], ports(1499))], "ports", 1],
    [[network("br1", ["10.1.0.0/24"], MOVED)], "ports", 1],
    [[network("br1", ["10.1.0.0/24"], MOVED)], "kept", 0],
    [[], "removed", 1],
    [[], "kept", 0],
  ] as const) {
    const before = await generation(firewall);
    expect(await table.apply(networks, false)).toBe(expected);
    expect((await generation(firewall)) - before).toBe(transactions);
  }
  expect(await ruleset()).toBe("");
});

test("who knows that nobody touched it does not ask, and who is wrong makes it anew", async () => {
  await table.apply([ONE], true);
  const more = network("br1", ["10.1.0.0/24"], ports(3));
  expect(await table.apply([ONE], true)).toBe("kept");
  await nft(scene.host, "flush", "ruleset");
  expect(await table.apply([ONE], true)).toBe("kept");
  expect(await table.apply([more], true)).toBe("ports");
  expect(await table.apply([more], false)).toBe("kept");
  expect(await ruleset()).toContain("6 . 8002");
});

test("another program reads it as it was meant", async () => {
  await table.apply([ONE], false);
  const text = await ruleset();
  for (const line of [
    'oifname != "br1" ip saddr 10.1.0.0/24 ip daddr != 224.0.0.0/4 masquerade',
    'oifname "br1" ip saddr 10.1.0.0/24 ip daddr 10.1.0.0/24 ct status dnat masquerade',
    "fib daddr type local dnat ip to meta l4proto . th dport map @any4",
    "elements = { 6 . 8000",
    'oifname "br1" drop',
  ])
    expect(text).toContain(line);
});

test("a table that cannot be made leaves what was there", async () => {
  await table.apply([ONE], false);
  const twice = network("br1", ["10.1.0.0/24"], ["80 -> 10.1.0.2:80/tcp", "80 -> 10.1.0.3:80/tcp"]);
  await expect(table.apply([twice], false)).rejects.toMatchObject({ code: "kernel" });
  expect(await table.apply([ONE], false)).toBe("kept");
});

describe("taken from", () => {
  const TABLE = ["inet", "underlay_nat"];
  const handleOf = async (rule: string) => {
    const text = await nft(scene.host, "-a", "list", "ruleset");
    return new RegExp(`${rule}.* # handle (\\d+)`).exec(text)?.[1] ?? "";
  };
  test.each([
    ["nft flush ruleset", () => nft(scene.host, "flush", "ruleset")],
    ["its own table deleted", () => nft(scene.host, "delete", "table", ...TABLE)],
    ["a chain emptied", () => nft(scene.host, "flush", "chain", ...TABLE, "postrouting")],
    [
      "a rule removed",
      async () =>
        nft(
          scene.host,
          "delete",
          "rule",
          ...TABLE,
          "forward",
          "handle",
          await handleOf('oifname "br1" drop'),
        ),
    ],
    ["a rule put in", () => nft(scene.host, "insert", "rule", ...TABLE, "forward", "accept")],
    [
      "a port taken out",
      () => nft(scene.host, "delete", "element", ...TABLE, "any4", "{", "tcp . 8000", "}"),
    ],
    [
      "a port led elsewhere",
      () =>
        nft(
          scene.host,
          "delete element inet underlay_nat any4 { tcp . 8000 } ;" +
            "add element inet underlay_nat any4 { tcp . 8000 : 10.9.9.9 . 1 }",
        ),
    ],
    [
      "a reload as firewalld's, which begins anew",
      async () => {
        await nft(scene.host, "flush", "ruleset");
        await nft(scene.host, "add", "table", "inet", "firewalld");
        await nft(scene.host, "add", "chain", "inet", "firewalld", "filter_FORWARD");
      },
    ],
  ])("%s", async (_, take) => {
    await scene.gateway.apply([ONE]);
    const whole = await ruleset();
    await take();
    await until("the table is whole again", async () => (await ruleset()).includes(whole));
    await scene.gateway.settled();
    expect(scene.logged.filter((line) => line.startsWith("error"))).toEqual([]);
  });

  test("what others have is no business of ours", async () => {
    await scene.gateway.apply([ONE]);
    const before = await generation(firewall);
    await nft(scene.host, "add", "table", "inet", "theirs");
    await nft(scene.host, "add", "chain", "inet", "theirs", "forward");
    await scene.gateway.apply([ONE]);
    expect((await generation(firewall)) - before).toBe(2);
    await scene.gateway.apply([]);
    expect(await ruleset()).toBe("table inet theirs {\n\tchain forward {\n\t}\n}");
  });
});
