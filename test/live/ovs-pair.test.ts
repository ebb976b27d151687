import { afterEach, beforeEach, expect, test } from "bun:test";
import { linkNameOf, OUR_LINK_GROUP, SWITCH_PORT_GROUP, switchPortNameOf } from "../../src/lib/ifname.ts";
import { type Mac, parseMac } from "../../src/lib/mac.ts";
import { type SwitchPairs, switchPairs } from "../../src/links/ovs/pair.ts";
import { Conversation } from "../../src/netlink/conversation.ts";
import { type Ethtool, ethtool } from "../../src/netlink/ethtool.ts";
import { NETLINK_GENERIC, openRequestSocket } from "../../src/netlink/open.ts";
import { inlineTransport } from "../../src/netlink/transport.ts";
import { openTestNetns, type TestNetns } from "../ground/netns.ts";

/** Pairs between a switch and containers, seen by ip(8). Names of the test's own: nothing leaves its namespace. */

const OWNER = "docker:net/ep";
const [CONTAINER, PORT] = [linkNameOf(OWNER), switchPortNameOf(OWNER)];

let ground: TestNetns;
let generic: Conversation;
let pairs: SwitchPairs;

beforeEach(() => {
  ground = openTestNetns();
  generic = new Conversation(inlineTransport(openRequestSocket(ground.libc, NETLINK_GENERIC, ground.netns)));
  pairs = switchPairs(ground.conversation, ethtool(generic));
});

afterEach(() => {
  generic.close();
  ground[Symbol.dispose]();
});

function mac(text: string): Mac {
  const read = parseMac(text);
  if (!read) throw new Error("a value of the test itself does not parse");
  return read;
}

const WISH = { owner: OWNER, mac: mac("02:00:00:00:00:10"), mtu: 1400, finishesChecksums: false };

const names = () => ground.ipJson("link", "show").map(({ ifname }) => String(ifname));
const show = (name: string) => ground.ipJson("link", "show", name)[0] ?? {};

test("both ends are born with names, marks, MTU and MAC, the switch's up and silent, the container's down", async () => {
  const made = await pairs.make(WISH);
  expect(made.container).toMatchObject({ name: CONTAINER, mac: WISH.mac, mtu: 1400 });
  expect(made.port).toMatchObject({ name: PORT, mtu: 1400 });
  const common = { mtu: 1400, ifalias: `underlay ${OWNER}` };
  const [container, port] = [show(CONTAINER), show(PORT)];
  expect(container).toMatchObject({ ...common, address: WISH.mac, group: String(OUR_LINK_GROUP) });
  expect(container["flags"]).not.toContain("UP");
  expect(port).toMatchObject({ ...common, group: String(SWITCH_PORT_GROUP), inet6_addr_gen_mode: "none" });
  expect(port["flags"]).toContain("UP");
  // Above any NIC's, so that a bridge does not take it for its own.
  expect(port["address"]).toStartWith("fe:");
});

test("twice is once, and another wish replaces it", async () => {
  const first = await pairs.make(WISH);
  expect(await pairs.make(WISH)).toEqual(first);
  const other = await pairs.make({ ...WISH, mtu: 1300 });
  expect(other.port.ifindex).not.toBe(first.port.ifindex);
  expect(show(CONTAINER)).toMatchObject({ mtu: 1300 });
});

test("what is not ours under our name is left alone, and told", async () => {
  ground.ip("link", "add", PORT, "type", "veth", "peer", "name", "theirs");
  await expect(pairs.make(WISH)).rejects.toMatchObject({ code: "conflict", inputs: { link: PORT } });
  expect(await pairs.remove(OWNER)).toBe(false);
  expect(names().toSorted()).toEqual(["lo", "theirs", PORT].toSorted());
});

test("is removed wherever the container's end is, and once", async () => {
  using inside = openTestNetns();
  await pairs.make(WISH);
  ground.ip("link", "set", CONTAINER, "netns", inside.path);
  expect(await pairs.find(OWNER)).toMatchObject({ name: PORT });
  expect(await pairs.remove(OWNER)).toBe(true);
  expect(await pairs.remove(OWNER)).toBe(false);
  expect(await pairs.find(OWNER)).toBeUndefined();
  expect(inside.ipJson("link", "show").map(({ ifname }) => ifname)).toEqual(["lo"]);
});

test("a container that was given its end loses it when the pair is made again", async () => {
  using inside = openTestNetns();
  await pairs.make(WISH);
  ground.ip("link", "set", CONTAINER, "netns", inside.path);
  await pairs.make(WISH);
  expect(inside.ipJson("link", "show").map(({ ifname }) => ifname)).toEqual(["lo"]);
  expect(names().toSorted()).toEqual(["lo", CONTAINER, PORT].toSorted());
});

test("checksums that cannot be switched leave nothing behind", async () => {
  const broken: Ethtool = { setFeatures: () => Promise.reject(new Error("no such feature")) };
  const trying = switchPairs(ground.conversation, broken).make({ ...WISH, finishesChecksums: true });
  await expect(trying).rejects.toThrow("no such feature");
  expect(names()).toEqual(["lo"]);
});
