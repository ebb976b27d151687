import { describe, expect, test } from "bun:test";
import { readlinkSync } from "node:fs";
import { OUR_LINK_GROUP } from "../../src/lib/ifname.ts";
import { type Cidr, formatCidr, type Ip, parseCidr, parseIp } from "../../src/lib/ip.ts";
import { type Mac, parseMac } from "../../src/lib/mac.ts";
import { addAddressRequest, deleteAddressRequest, IFA_F, listAddresses } from "../../src/netlink/address.ts";
import { Conversation } from "../../src/netlink/conversation.ts";
import type { Request } from "../../src/netlink/failure.ts";
import { MACVLAN_MODE, type MacvlanMode } from "../../src/netlink/kinds/macvlan.ts";
import {
  addAltNameRequest,
  deleteGroupRequest,
  deleteLinkRequest,
  getLink,
  isUp,
  type Link,
  listLinks,
  newLinkRequest,
  setLinkRequest,
} from "../../src/netlink/link.ts";
import { deleteNeighbourRequest, listNeighbours, setNeighbourRequest } from "../../src/netlink/neighbour.ts";
import { netnsIdOf } from "../../src/netlink/nsid.ts";
import { NETLINK_ROUTE, openRequestSocket } from "../../src/netlink/open.ts";
import { addRouteRequest, deleteRouteRequest, listRoutes } from "../../src/netlink/route.ts";
import { inlineTransport } from "../../src/netlink/transport.ts";
import { openLibc } from "../../src/sys/libc.ts";
import { liveNetns, withParent } from "./netns.ts";

/** Every verb of netlink on this kernel, in a netns of its own, checked by `ip -j`. */

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("not there");
  return value;
}
const mac = (text: string): Mac => known(parseMac(text));
const ip = (text: string): Ip => known(parseIp(text));
const cidr = (text: string): Cidr => known(parseCidr(text));

async function indexOf(conversation: Conversation, name: string): Promise<number> {
  return known(await getLink(conversation, { name })).header.index;
}

const macvlan = (name: string, parent: number, mode: MacvlanMode = "bridge") =>
  newLinkRequest({ name, parent, info: { kind: "macvlan", data: { mode: MACVLAN_MODE[mode] } } });

async function failure(conversation: Conversation, request: Request): Promise<unknown> {
  const [outcome] = await conversation.settle([request]);
  return outcome?.ok === false ? outcome.error : "no failure";
}

describe("links", () => {
  for (const mode of ["private", "vepa", "bridge", "passthru", "source"] as const) {
    test(`macvlan, mode ${mode}`, async () => {
      using live = withParent();
      const parent = await indexOf(live.conversation, "p0");
      await live.conversation.request(macvlan("m0", parent, mode));
      const [shown] = live.show("link show dev m0");
      expect(shown).toMatchObject({
        ifname: "m0",
        link: "p0",
        linkinfo: { info_kind: "macvlan", info_data: { mode } },
      });
      const link = known(await getLink(live.conversation, { name: "m0" }));
      expect(link.attrs).toMatchObject({
        link: parent,
        info: { kind: "macvlan", data: { mode: MACVLAN_MODE[mode] } },
      });
    });
  }

  test("born with mac, mtu and group, up", async () => {
    using live = withParent();
    const parent = await indexOf(live.conversation, "p0");
    await live.conversation.request(
      newLinkRequest({
        name: "ul-abcdefghijkl",
        parent,
        mac: mac("02:11:22:33:44:55"),
        mtu: 1400,
        group: OUR_LINK_GROUP,
        up: true,
        info: { kind: "macvlan", data: { mode: MACVLAN_MODE.bridge, bcQueueLen: 2000 } },
      }),
    );
    expect(live.show("link show dev ul-abcdefghijkl")).toMatchObject([
      {
        address: "02:11:22:33:44:55",
        mtu: 1400,
        group: String(OUR_LINK_GROUP),
        flags: expect.arrayContaining(["UP", "LOWER_UP"]),
        linkinfo: { info_data: { bcqueuelen: 2000 } },
      },
    ]);
  });

  test("any kind: made, or refused, exactly when ip's is", async () => {
    using live = withParent();
    const parent = await indexOf(live.conversation, "p0");
    const made: Record<string, boolean> = {};
    for (const kind of [
      "bridge",
      "dummy",
      "veth",
      "ifb",
      "macvtap",
      "macvlan",
      "ipvlan",
      "vxlan",
      "nosuchkind",
    ]) {
      const needsParent = /^(mac|ip)v/.test(kind);
      const info = { kind, ...(kind === "vxlan" && { rawData: new Uint8Array([8, 0, 1, 0, 42, 0, 0, 0]) }) };
      const request = newLinkRequest({ name: "ours", ...(needsParent && { parent }), info });
      const [outcome] = await live.conversation.settle([request]);
      const id = kind === "vxlan" ? " id 43" : "";
      const theirs = live.tryIp(`link add ${needsParent ? "link p0 " : ""}name theirs type ${kind}${id}`);
      expect([kind, outcome?.ok]).toEqual([kind, theirs]);
      made[kind] = theirs;
      if (!theirs) continue;
      expect(live.show("link show dev ours")).toMatchObject([{ linkinfo: { info_kind: kind } }]);
      for (const name of ["ours", "theirs"]) await live.conversation.request(deleteLinkRequest({ name }));
    }
    expect(made).toMatchObject({ macvlan: true, macvtap: true, veth: true, bridge: true, nosuchkind: false });
  });

  test("straight into another netns, under its final name", async () => {
    using live = withParent();
    using there = liveNetns();
    const parent = await indexOf(live.conversation, "p0");
    await live.conversation.request(
      newLinkRequest({
        name: "eth0",
        parent,
        netnsFd: there.netns.fd,
        info: { kind: "macvlan", data: { mode: 4 } },
      }),
    );
    expect(live.tryIp("link show dev eth0")).toBe(false);
    const [shown] = there.show("link show dev eth0");
    const link = known(await getLink(there.conversation, { name: "eth0" }));
    expect(link.attrs).toMatchObject({ link: parent, info: { kind: "macvlan" } });
    expect(shown).toMatchObject({ link_index: parent, link_netnsid: link.attrs.linkNetnsid });
    expect(await netnsIdOf(there.conversation, live.netns.fd)).toBe(known(link.attrs.linkNetnsid));
    // A child knows the netns of its parent; the parent has no link there and so no id.
    expect(await netnsIdOf(live.conversation, there.netns.fd)).toBeUndefined();
    using stranger = liveNetns();
    expect(await netnsIdOf(stranger.conversation, live.netns.fd)).toBeUndefined();
  });

  test("every change", async () => {
    using live = withParent();
    live.ip("link add name br0 type bridge");
    const { conversation } = live;
    const bridge = await indexOf(conversation, "br0");
    const alias = `docker:${"n".repeat(64)}/${"e".repeat(64)}`;
    await conversation.request(macvlan("m0", await indexOf(conversation, "p0")));
    await conversation.request(
      setLinkRequest({ name: "m0" }, { alias, group: 77, mac: mac("02:00:00:00:00:99"), mtu: 1300 }),
    );
    expect(live.show("link show dev m0")).toMatchObject([
      { ifalias: alias, group: "77", address: "02:00:00:00:00:99", mtu: 1300 },
    ]);
    const up = async () => isUp(known(await getLink(conversation, { name: "m0" })));
    await conversation.request(setLinkRequest({ name: "m0" }, { up: true }));
    expect(live.show("link show dev m0")).toMatchObject([{ flags: expect.arrayContaining(["UP"]) }]);
    expect(await up()).toBe(true);
    await conversation.request(setLinkRequest({ name: "m0" }, { up: false }));
    expect(await up()).toBe(false);
    const { index } = known(await getLink(conversation, { name: "m0" })).header;
    await conversation.request(setLinkRequest({ ifindex: index }, { name: "lan0" }));
    expect(live.show("link show dev lan0")).toMatchObject([{ ifindex: index, ifalias: alias }]);
    await conversation.request(setLinkRequest({ name: "v1" }, { master: bridge }));
    expect(live.show("link show dev v1")).toMatchObject([
      { master: "br0", linkinfo: { info_slave_kind: "bridge" } },
    ]);
    const port = known(await getLink(conversation, { name: "v1" }));
    expect(port.attrs).toMatchObject({ master: bridge, info: { kind: "veth", slaveKind: "bridge" } });
    await conversation.request(setLinkRequest({ name: "v1" }, { master: 0 }));
    expect(live.show("link show dev v1")[0]).not.toHaveProperty("master");
  });

  test("looked up by name, by altname short and long, by index; one that is not there is undefined", async () => {
    using live = withParent();
    live.ip("link property add dev p0 altname lan altname a-name-of-more-than-fifteen-bytes");
    const index = await indexOf(live.conversation, "p0");
    for (const name of ["p0", "lan", "a-name-of-more-than-fifteen-bytes"]) {
      expect(await indexOf(live.conversation, name)).toBe(index);
    }
    const link = known(await getLink(live.conversation, { ifindex: index }));
    expect(link.attrs).toMatchObject({ name: "p0", altNames: ["lan", "a-name-of-more-than-fifteen-bytes"] });
    expect(await getLink(live.conversation, { name: "gone" })).toBeUndefined();
    expect(await getLink(live.conversation, { ifindex: 4711 })).toBeUndefined();
  });

  test("given an altname of ours, long or short, once", async () => {
    using live = withParent();
    const long = "another-name-of-more-than-fifteen-bytes";
    const ref = { ifindex: await indexOf(live.conversation, "p0") };
    for (const name of [long, "lan"]) await live.conversation.request(addAltNameRequest(ref, name));
    expect(live.show("link show dev p0")).toMatchObject([{ altnames: [long, "lan"] }]);
    const [again] = await live.conversation.settle([addAltNameRequest({ name: "p0" }, long)]);
    expect(again).toMatchObject({ ok: false, error: { errno: "EEXIST" } });
  });

  test("listed, all or of one kind, as ip lists them", async () => {
    using live = withParent();
    const parent = await indexOf(live.conversation, "p0");
    for (const name of ["m0", "m1"]) await live.conversation.request(macvlan(name, parent));
    const names = (links: readonly Link[]) => links.map(({ attrs }) => attrs.name).toSorted();
    const shown = live.show("link show").map(({ ifname }) => ifname);
    expect(names(await listLinks(live.conversation))).toEqual(shown.map(String).toSorted());
    expect(names(await listLinks(live.conversation, { kind: "macvlan" }))).toEqual(["m0", "m1"]);
  });

  test("deleted by name and by index; a hundred by group, and no other", async () => {
    using live = withParent();
    const { conversation } = live;
    const parent = await indexOf(conversation, "p0");
    const names = Array.from({ length: 100 }, (_, i) => `m${i}`);
    const born = await conversation.settle(names.map((name) => macvlan(name, parent)));
    expect(born.filter(({ ok }) => !ok)).toEqual([]);
    const moved = await conversation.settle(
      names.slice(2).map((name) => setLinkRequest({ name }, { group: 4242 })),
    );
    expect(moved.filter(({ ok }) => !ok)).toEqual([]);
    await conversation.request(deleteLinkRequest({ name: "m0" }));
    await conversation.request(deleteLinkRequest({ ifindex: await indexOf(conversation, "m1") }));
    await conversation.request(macvlan("stays", parent));
    const started = performance.now();
    await conversation.request(deleteGroupRequest(4242));
    expect(performance.now() - started).toBeLessThan(600); // one by one takes 1600 ms
    expect(live.show("link show type macvlan").map(({ ifname }) => ifname)).toEqual(["stays"]);
    expect(() => deleteGroupRequest(0)).toThrow("everybody's");
  });
});

describe("addresses, routes, neighbours", () => {
  test("an address of each family", async () => {
    using live = withParent();
    const { conversation } = live;
    const p0 = await indexOf(conversation, "p0");
    await conversation.request(addAddressRequest(p0, cidr("10.0.0.2/24")));
    await conversation.request(addAddressRequest(p0, cidr("fd00:1::2/64"), IFA_F.IFA_F_NODAD));
    expect(live.show("address show dev p0")).toMatchObject([
      {
        addr_info: expect.arrayContaining([
          expect.objectContaining({ family: "inet", local: "10.0.0.2", prefixlen: 24, scope: "global" }),
          expect.objectContaining({ family: "inet6", local: "fd00:1::2", prefixlen: 64, nodad: true }),
        ]),
      },
    ]);
    const listed = (await listAddresses(conversation, p0)).map((entry) => formatCidr(entry.cidr));
    expect(listed).toEqual(expect.arrayContaining(["10.0.0.2/24", "fd00:1::2/64"]));
    const everywhere = await listAddresses(conversation);
    expect(new Set(everywhere.map(({ ifindex }) => ifindex)).size).toBeGreaterThan(1);
    expect(await failure(conversation, addAddressRequest(p0, cidr("10.0.0.2/24")))).toMatchObject({
      errno: "EEXIST",
    });
    await conversation.request(deleteAddressRequest(p0, cidr("10.0.0.2/24")));
    await conversation.request(deleteAddressRequest(p0, cidr("fd00:1::2/64")));
    expect(JSON.stringify(live.show("address show dev p0"))).not.toMatch(/10\.0\.0\.2|fd00:1::2/);
  });

  test("routes: default, on the link, with a metric", async () => {
    using live = withParent();
    const { conversation } = live;
    const p0 = await indexOf(conversation, "p0");
    await conversation.request(addAddressRequest(p0, cidr("10.0.0.2/24")));
    await conversation.request(addAddressRequest(p0, cidr("fd00:1::2/64"), IFA_F.IFA_F_NODAD));
    const routes = [
      { destination: cidr("0.0.0.0/0"), ifindex: p0, gateway: ip("10.0.0.1") },
      { destination: cidr("192.0.2.0/24"), ifindex: p0, priority: 50 },
      { destination: cidr("::/0"), ifindex: p0, gateway: ip("fd00:1::1"), priority: 77 },
    ];
    for (const route of routes) await conversation.request(addRouteRequest(route));
    expect(live.show("-4 route show")).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ dst: "default", gateway: "10.0.0.1", dev: "p0", protocol: "static" }),
        expect.objectContaining({ dst: "192.0.2.0/24", dev: "p0", metric: 50, scope: "link" }),
      ]),
    );
    expect(live.show("-6 route show")).toEqual(
      expect.arrayContaining([expect.objectContaining({ dst: "default", gateway: "fd00:1::1", metric: 77 })]),
    );
    const gateways = [...(await listRoutes(conversation, 4)), ...(await listRoutes(conversation, 6))]
      .filter(({ header }) => header.dst_len === 0)
      .map(({ attrs }) => attrs.gateway);
    expect(gateways).toEqual([ip("10.0.0.1"), ip("fd00:1::1")]);
    expect((await listRoutes(conversation, 4)).length).toBe(live.show("-4 route show").length);
    for (const route of routes) await conversation.request(deleteRouteRequest(route));
    expect(live.show("-4 route show").map(({ dst }) => dst)).toEqual(["10.0.0.0/24"]);
  });

  test("permanent neighbours, replaced and deleted", async () => {
    using live = withParent();
    const { conversation } = live;
    const p0 = await indexOf(conversation, "p0");
    for (const [address, family] of [
      ["10.0.0.9", 4],
      ["fd00:1::9", 6],
    ] as const) {
      await conversation.request(setNeighbourRequest(p0, ip(address), mac("02:00:00:00:00:01")));
      await conversation.request(setNeighbourRequest(p0, ip(address), mac("02:00:00:00:00:09")));
      expect(live.show(`-${family} neighbour show dev p0`)).toEqual(
        expect.arrayContaining([{ dst: address, lladdr: "02:00:00:00:00:09", state: ["PERMANENT"] }]),
      );
      const listed = await listNeighbours(conversation, family);
      expect(listed.map(({ attrs }) => attrs)).toContainEqual(
        expect.objectContaining({ destination: ip(address), linkAddress: "02:00:00:00:00:09" }),
      );
      await conversation.request(deleteNeighbourRequest(p0, ip(address)));
      expect(JSON.stringify(live.show(`-${family} neighbour show nud permanent`))).not.toContain(address);
    }
  });
});

describe("what the kernel refuses", () => {
  test("names the attribute, the reason and the errno", async () => {
    using live = withParent();
    const { conversation } = live;
    const parent = await indexOf(conversation, "p0");
    const told = async (request: Request) => {
      const error = await failure(conversation, request);
      return error instanceof Error ? error.message : String(error);
    };
    const badMode = newLinkRequest({ name: "m0", parent, info: { kind: "macvlan", data: { mode: 99 } } });
    expect(await told(badMode)).toBe("create macvlan m0: EINVAL");
    const badMac = newLinkRequest({
      name: "m0",
      parent,
      mac: mac("01:00:00:00:00:01"),
      info: { kind: "macvlan", data: { mode: 4 } },
    });
    expect(await told(badMac)).toBe("create macvlan m0: EADDRNOTAVAIL");
    expect(await told(setLinkRequest({ name: "p0" }, { mtu: 67 }))).toBe(
      "change link p0: mtu less than device minimum: EINVAL",
    );
    expect(await told(newLinkRequest({ name: "m0", parent, info: { kind: "nosuchkind" } }))).toBe(
      "create nosuchkind m0: Unknown device type: EOPNOTSUPP",
    );
    expect(await told(deleteLinkRequest({ name: "gone" }))).toBe("delete link gone: ENODEV");
    expect(
      await told(
        addRouteRequest({ destination: cidr("0.0.0.0/0"), ifindex: parent, gateway: ip("10.9.9.9") }),
      ),
    ).toBe("add a route to 0.0.0.0/0 via 10.9.9.9: Nexthop has invalid gateway: ENETUNREACH");
  });

  test("points into nested attributes", async () => {
    using live = withParent();
    const parent = await indexOf(live.conversation, "p0");
    const short = new Uint8Array([5, 0, 1, 0, 4, 0, 0, 0]); // IFLA_MACVLAN_MODE of one byte where four are needed
    const request = newLinkRequest({ name: "m0", parent, info: { kind: "macvlan" } });
    const { body } = newLinkRequest({ name: "m0", parent, info: { kind: "xacvlan", rawData: short } });
    body[body.indexOf(0x78)] = 0x6d; // macvlan again, with data that its own table would not encode
    expect(await failure(live.conversation, { ...request, body })).toMatchObject({
      message: expect.stringContaining("info.data.mode"),
      errno: expect.stringMatching(/^E(RANGE|INVAL)$/),
    });
  });

  test("several requests in one send: each has its own outcome", async () => {
    using live = withParent();
    const parent = await indexOf(live.conversation, "p0");
    const outcomes = await live.conversation.settle([
      macvlan("m0", parent),
      macvlan("m0", parent),
      setLinkRequest({ name: "gone" }, { up: true }),
      macvlan("m1", parent),
    ]);
    expect(outcomes.map((outcome) => (outcome.ok ? "done" : outcome.error.errno))).toEqual([
      "done",
      "EEXIST",
      "ENODEV",
      "done",
    ]);
    expect(live.show("link show type macvlan").map(({ ifname }) => ifname)).toEqual(["m0", "m1"]);
  });
});

/** Sends an ACK for sequence number 1, as the kernel would, to the netlink socket with a port number. */
const FORGER = [
  "import socket, struct, sys",
  "forged = struct.pack('<IHHIIi', 36, 2, 0x100, 1, 0, 0) + bytes(16)",
  "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).sendto(forged, (int(sys.argv[1]), 0))",
].join("\n");

describe("another process", () => {
  test("that plays the kernel is not listened to", async () => {
    using live = withParent();
    const socket = openRequestSocket(openLibc(), NETLINK_ROUTE, live.netns);
    const conversation = new Conversation(inlineTransport(socket));
    const there = (...argv: string[]) =>
      Bun.spawnSync(["nsenter", `--net=/proc/${process.pid}/fd/${live.netns.fd}`, ...argv]);
    const [, inode = ""] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${socket.fd}`)) ?? [];
    // Columns of /proc/net/netlink: sk Eth Pid … Inode; Pid is the port number.
    const rows = there("cat", "/proc/net/netlink").stdout.toString().trim().split("\n");
    const row = rows.map((line) => line.trim().split(/ +/)).find((columns) => columns.at(-1) === inode);
    expect(there("python3", "-c", FORGER, known(row?.[2])).exitCode).toBe(0);
    expect(await getLink(conversation, { name: "p0" })).toMatchObject({ attrs: { name: "p0" } });
    conversation.close();
  });
});
