import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { attachments } from "../../src/engine/attach.ts";
import type { Assigned, AttachRequest } from "../../src/lib/attach.ts";
import { UnderlayError } from "../../src/lib/errors.ts";
import { type Cidr, type Ip, parseCidr, parseIp } from "../../src/lib/ip.ts";
import { parseMac } from "../../src/lib/mac.ts";
import { containerLinks } from "../../src/links/container-links.ts";
import { requireKind } from "../../src/links/refusal.ts";
import { Conversation } from "../../src/netlink/conversation.ts";
import { NETLINK_ROUTE, openRequestSocket } from "../../src/netlink/open.ts";
import { inlineTransport } from "../../src/netlink/transport.ts";
import { sandboxes } from "../../src/sandbox/sandbox.ts";
import { openLibc } from "../../src/sys/libc.ts";
import { spawnDetached } from "../../src/sys/spawn.ts";
import { type Container, type Lan, makeLan } from "./lan.ts";

/** Links that are born in a container, on the real kernel; what they are is asked of ip(8). */

const libc = openLibc();
const cidr = (text: string): Cidr => parseCidr(text) ?? fail(text);
const ip = (text: string): Ip => parseIp(text) ?? fail(text);
const fail = (text: string): never => {
  throw new Error(text);
};

let lan: Lan;
let container: Container;
beforeEach(() => {
  lan = makeLan();
  container = lan.container();
  lan.ip("link add lan0 type veth peer name lan1");
  lan.ip("link set lan0 up");
  lan.ip("link set lan1 up");
});
afterEach(() => {
  container[Symbol.dispose]();
  lan[Symbol.dispose]();
});

const attacher = () =>
  attachments({
    sandboxes: sandboxes(
      libc,
      (netns) => new Conversation(inlineTransport(openRequestSocket(libc, NETLINK_ROUTE, netns))),
    ),
    links: containerLinks(libc, lan.requests, deleteElsewhere),
    step: () => undefined,
    strays: () => Promise.reject(new Error("not asked for")),
    parentUsers: () => Promise.reject(new Error("not asked for")),
    warn: () => undefined,
  });

/** What the program does by starting itself anew. */
const deleteElsewhere = (socketFd: number, ifindex: number) =>
  spawnDetached(
    libc,
    [process.execPath, join(import.meta.dir, "delete-link.fixture.ts"), `${ifindex}`],
    socketFd,
  );

const MAC = parseMac("02:11:22:33:44:55") ?? fail("no MAC");
const DUAL: Assigned = {
  addresses: [
    { address: cidr("10.1.2.5/24"), gateway: ip("10.1.2.1") },
    { address: cidr("fd12::5/64"), gateway: ip("fd12::1") },
  ],
  routes: [
    { to: cidr("0.0.0.0/0") },
    { to: cidr("::/0") },
    { to: cidr("10.9.0.0/16"), via: ip("10.1.2.9"), mtu: 1400, advmss: 1200, priority: 7, table: 1000 },
  ],
};

const wish = (more: Partial<AttachRequest> = {}): AttachRequest => ({
  owner: "test:net/one/eth0",
  netns: container.path,
  ifname: "eth0",
  parent: { name: "lan0", inside: false },
  link: { kind: "macvlan", mode: "bridge" },
  ...more,
});

interface IpLink {
  readonly ifname: string;
  readonly mtu: number;
  readonly address: string;
  readonly flags: readonly string[];
  readonly linkinfo?: { readonly info_kind?: string; readonly info_data?: Record<string, unknown> };
}

const linksOf = (): IpLink[] =>
  JSON.parse(container.ip("-j -d link")).filter(({ ifname }: IpLink) => ifname !== "lo");

/** Prints what undone work leaves on the way. */
const failure = async (work: Promise<unknown>): Promise<UnderlayError> => {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof UnderlayError)) throw new Error(`not refused: ${String(thrown)}`);
  return thrown;
};

test("a link with addresses of both families, routes and announcements", async () => {
  const given = await attacher().attach(
    wish({
      mtu: 1400,
      link: { kind: "macvlan", mode: "bridge", mac: MAC },
      addresses: async () => DUAL,
    }),
  );
  expect(given).toMatchObject({ mac: MAC, mtu: 1400, assigned: DUAL });
  const [link, ...others] = linksOf();
  expect(others).toEqual([]);
  expect(link).toMatchObject({
    ifname: "eth0",
    mtu: 1400,
    address: MAC,
    linkinfo: { info_kind: "macvlan", info_data: { mode: "bridge" } },
  });
  expect(link?.flags).toContain("UP");
  const [{ addr_info: addresses }] = JSON.parse(container.ip("-j address show eth0"));
  expect(addresses).toContainEqual(expect.objectContaining({ local: "10.1.2.5", prefixlen: 24 }));
  expect(addresses).toContainEqual(expect.objectContaining({ local: "fd12::5", prefixlen: 64, nodad: true }));
  expect(container.ip("route")).toContain("default via 10.1.2.1 dev eth0");
  expect(container.ip("-6 route")).toContain("default via fd12::1 dev eth0");
  expect(container.ip("route show table 1000")).toMatch(
    /^10\.9\.0\.0\/16 via 10\.1\.2\.9 dev eth0 proto static metric 7 mtu 1400 advmss 1200/,
  );
  const read = (path: string) =>
    Bun.spawnSync(["nsenter", `--net=${container.path}`, "cat", `/proc/sys/net/${path}`]).stdout.toString();
  expect(read("ipv4/conf/eth0/arp_notify")).toBe("1\n");
  expect(read("ipv6/conf/eth0/ndisc_notify")).toBe("1\n");
});

test("without addresses it is up and has none", async () => {
  await attacher().attach(wish());
  expect(linksOf()[0]?.flags).toContain("UP");
  expect(container.ip("-4 address show eth0")).toBe("");
});

test("the parent may be the link of the default route", async () => {
  lan.ip("address add 10.1.2.200/24 dev lan0");
  expect((await failure(attacher().attach(wish({ parent: { inside: false } })))).message).toBe(
    "no default route interface found",
  );
  lan.ip("route add default via 10.1.2.1");
  await attacher().attach(wish({ parent: { inside: false } }));
  expect(linksOf()).toHaveLength(1);
});

test("the parent may be in the container", async () => {
  container.ip("link add ins0 type veth peer name ins1");
  await attacher().attach(wish({ parent: { name: "ins0", inside: true } }));
  expect(linksOf().map(({ ifname }) => ifname)).toContain("eth0");
});

test("a link of the host may have the name of the container's", async () => {
  lan.ip("link add eth0 type veth peer name eth1");
  await attacher().attach(wish());
  expect(linksOf().map(({ ifname }) => ifname)).toEqual(["eth0"]);
});

describe("an attach that is refused leaves nothing", () => {
  test.each([
    ["no netns", { netns: "/run/netns/none-such" }, "not_found"],
    ["a file that is no netns", { netns: "/proc/version" }, "not_found"],
    ["no parent", { parent: { name: "none0", inside: false } }, "not_found"],
    ["a name that is none", { parent: { name: "a/b", inside: false } }, "invalid_option"],
    ["an MTU above the parent's", { mtu: 1600 }, "invalid_option"],
    ["a negative MTU", { mtu: -100 }, "invalid_option"],
    ["a parent that takes no such link", { parent: { name: "lo", inside: false } }, "kernel"],
  ] as const)("%s", async (_, more, code) => {
    expect((await failure(attacher().attach(wish(more)))).code).toBe(code);
    expect(linksOf()).toEqual([]);
  });

  test("another link of that name, which stays", async () => {
    container.ip("link add eth0 type veth peer name eth1");
    const mac = linksOf().find(({ ifname }) => ifname === "eth0")?.address;
    expect((await failure(attacher().attach(wish()))).code).toBe("conflict");
    expect(linksOf().find(({ ifname }) => ifname === "eth0")?.address).toBe(mac as string);
  });

  test("addresses that are not to be had are given back, and the link goes", async () => {
    let back = 0;
    const refused = attacher().attach(
      wish({
        addresses: async () => fail("full"),
        giveBack: async () => {
          back++;
        },
      }),
    );
    expect(refused).rejects.toThrow("full");
    await refused.catch(() => undefined);
    expect([back, linksOf()]).toEqual([1, []]);
  });

  test("a route that leads nowhere", async () => {
    let back = 0;
    const bad: Assigned = { addresses: [], routes: [{ to: cidr("10.0.0.0/8"), via: ip("192.0.2.1") }] };
    const request = wish({
      addresses: async () => bad,
      giveBack: async () => {
        back++;
      },
    });
    expect((await failure(attacher().attach(request))).errno).toBe("ENETUNREACH");
    expect([back, linksOf()]).toEqual([1, []]);
  });
});

test("what an earlier try of the same owner left is replaced, as after kill -9", async () => {
  await attacher().attach(wish({ addresses: async () => DUAL }));
  const before = linksOf().map(({ address }) => address);
  await attacher().attach(wish({ addresses: async () => DUAL }));
  expect(linksOf().map(({ ifname }) => ifname)).toEqual(["eth0"]);
  expect(linksOf().map(({ address }) => address)).not.toEqual(before);
});

describe("detach", () => {
  test("deletes the link and gives back, and does it twice", async () => {
    let back = 0;
    const gone = () =>
      attacher().detach({
        netns: container.path,
        ifname: "eth0",
        giveBack: async () => {
          back++;
        },
      });
    await attacher().attach(wish());
    await gone();
    expect(linksOf()).toEqual([]);
    await gone();
    expect(back).toBe(2);
  });

  test("gives back without a netns, and without a link", async () => {
    for (const netns of ["", "/run/netns/none-such", "/proc/version", container.path]) {
      let back = 0;
      await attacher().detach({
        netns,
        ifname: "eth0",
        giveBack: async () => {
          back++;
        },
      });
      expect(back).toBe(1);
    }
  });

  test("gives back even when the link cannot be deleted, and tells it", async () => {
    let back = 0;
    const refused = attacher().detach({
      netns: container.path,
      ifname: "lo",
      giveBack: async () => {
        back++;
      },
    });
    expect((await failure(refused)).errno).toBe("EOPNOTSUPP");
    expect(back).toBe(1);
  });

  test("leaves no process, thirty times", async () => {
    for (let i = 0; i < 30; i++) {
      await attacher().attach(wish());
      await attacher().detach({ netns: container.path, ifname: "eth0" });
      expect(linksOf()).toEqual([]);
    }
    const children = () =>
      Bun.spawnSync(["ps", "-o", "pid=,stat=,args=", "--ppid", `${process.pid}`])
        .stdout.toString()
        .split("\n")
        .filter((line) => /^\s*\d+ [^Z]/.test(line) && !/ ps | cat|nsenter/.test(line));
    const deadline = performance.now() + 5000;
    while (children().length > 0 && performance.now() < deadline) await Bun.sleep(10);
    expect(children()).toEqual([]);
  }, 60_000);
});

test("what the kernel refuses with a number alone is said in words", async () => {
  lan.ip("link add br0 type bridge");
  lan.ip("link set lan1 master br0");
  const busy = await failure(attacher().attach(wish({ parent: { name: "lan1", inside: false } })));
  expect(busy.message).toBe(
    "lan1 takes no macvlan: it is a port of a bridge or bond, or has links of another kind on it (create macvlan eth0: EBUSY)",
  );
  const loopback = await failure(attacher().attach(wish({ parent: { name: "lo", inside: false } })));
  expect(loopback).toMatchObject({ code: "kernel", errno: "EINVAL" });
  expect(loopback.message).toStartWith("lo takes no such macvlan: it is a loopback");
});

test("readiness asks for the kind, and makes nothing", async () => {
  const before = lan.ip("-br link");
  for (const kind of ["macvlan", "bridge", "veth"]) await requireKind(lan.requests, kind);
  expect(await failure(requireKind(lan.requests, "ulnone"))).toMatchObject({
    message:
      "this kernel has no ulnone: is the module ulnone installed? (create ulnone ul-kind: Unknown device type: EOPNOTSUPP)",
  });
  await attacher().requireReady(wish());
  expect(lan.ip("-br link")).toBe(before);
});

test("of two tries of the same attachment beside each other, the one that fails takes nothing from the other", async () => {
  const [first, second] = [attacher(), attacher()];
  const given: string[] = [];
  const giveBack = async () => void given.push("back");
  const refused = await failure(
    first.attach(
      wish({
        addresses: async () => {
          await second.attach(wish({ addresses: async () => DUAL, giveBack }));
          return DUAL;
        },
        giveBack,
      }),
    ),
  );
  expect(refused.errno).toBe("ENODEV");
  expect(given).toEqual([]);
  expect(linksOf().map(({ ifname }) => ifname)).toEqual(["eth0"]);
  expect(container.ip("-br address show eth0")).toContain("10.1.2.5/24");
});
