import { describe, expect, test } from "bun:test";
import { type Cidr, formatIp, parseCidr, parseIp } from "../../../lib/ip.ts";
import { type Address, addressFamily, addressFormat, IFA_F } from "../../../netlink/address.ts";
import { decodeBody, encodeBody } from "../../../netlink/message.ts";
import { type Route, routeFormat, rtnexthop } from "../../../netlink/route.ts";
import {
  type Belongings,
  belongingsOf,
  gatewaysOf,
  isNothing,
  joined,
  NOTHING,
  sharedWith,
  whyNotCarried,
} from "./belongings.ts";
import { carrying } from "./carry.ts";

const NIC = { name: "eth0", ifindex: 2 };
const BRIDGE = { name: "br0", ifindex: 7 };
const { IFA_F_PERMANENT: PERMANENT, IFA_F_NOPREFIXROUTE: NO_ROUTE } = IFA_F;

function cidr(text: string): Cidr {
  const read = parseCidr(text);
  if (!read) throw new Error(`a value of the test itself does not parse: ${text}`);
  return read;
}

function address(text: string, flags: number = PERMANENT, more: Address["attrs"] = {}): Address {
  const { ip, prefix } = cidr(text);
  const header = {
    family: addressFamily(ip.family),
    prefixlen: prefix,
    flags: flags & 0xff,
    scope: 0,
    index: NIC.ifindex,
  };
  return { header, attrs: { address: ip, ...(ip.family === 4 && { local: ip }), flags, ...more } };
}

interface RouteWish {
  readonly via?: string;
  readonly table?: number;
  readonly protocol?: number;
  readonly type?: number;
  readonly flags?: number;
  readonly more?: Route["attrs"];
}

function route(text: string, wish: RouteWish = {}): Route {
  const { ip, prefix } = cidr(text);
  const { via, table = 254, protocol = 4, type = 1, flags = 0, more = {} } = wish;
  const gateway = via === undefined ? undefined : parseIp(via);
  const family = addressFamily(ip.family);
  return {
    header: { family, dst_len: prefix, src_len: 0, tos: 0, table, protocol, scope: 0, type, flags },
    attrs: {
      ...(prefix > 0 && { destination: ip }),
      table,
      oif: NIC.ifindex,
      ...(gateway && { gateway }),
      ...more,
    },
  };
}

const textsOf = ({ addresses, routes }: Belongings) => [...addresses, ...routes].map(({ text }) => text);
const carried = (addresses: readonly Address[], routes: readonly Route[] = []) =>
  textsOf(belongingsOf({ addresses, routes }));

describe("what is carried", () => {
  test("addresses but link-local ones, in the order in which they were given", () => {
    expect(
      carried(["192.0.2.9/24", "192.0.2.1/24", "fe80::1/64", "2001:db8::1/64"].map((each) => address(each))),
    ).toEqual(["192.0.2.9/24", "192.0.2.1/24", "2001:db8::1/64"]);
  });

  const own = [
    address("192.0.2.1/24"),
    address("203.0.113.1/24", PERMANENT | NO_ROUTE),
    address("2001:db8::1/64"),
  ];
  const ROUTES: readonly (readonly [what: string, route: Route, isCarried: boolean])[] = [
    ["a default route", route("0.0.0.0/0", { via: "192.0.2.254" }), true],
    ["one of another table", route("10.0.0.0/8", { via: "192.0.2.254", table: 1000 }), true],
    ["one that an address brings", route("192.0.2.0/24", { protocol: 2 }), false],
    ["the same in IPv6", route("2001:db8::/64", { protocol: 2 }), false],
    ["the same made by a program", route("192.0.2.0/24", { protocol: 4 }), true],
    ["one for an address that is told to bring none", route("203.0.113.0/24", { protocol: 2 }), true],
    ["one of the kernel's for link-local addresses", route("fe80::/64", { protocol: 2 }), false],
    ["one of the local table", route("192.0.2.1/32", { table: 255, protocol: 2, type: 2 }), false],
    ["what was learnt of a destination", route("198.51.100.9/32", { flags: 0x200 }), false],
  ];
  test.each(ROUTES)("%s", (_, each, isCarried) => {
    expect(belongingsOf({ addresses: own, routes: [each] }).routes).toHaveLength(isCarried ? 1 : 0);
  });

  test("routes to what is on the link come before those through gateways", () => {
    const routes = [
      route("0.0.0.0/0", { via: "192.0.2.254", more: { priority: 50 } }),
      route("198.51.100.0/24"),
      route("::/0", { via: "fe80::1" }),
    ];
    expect(carried([], routes)).toEqual([
      "198.51.100.0/24 table 254 metric 0",
      "0.0.0.0/0 via 192.0.2.254 table 254 metric 50",
      "::/0 via fe80::1 table 254 metric 0",
    ]);
  });
});

const REFUSED: readonly (readonly [
  what: string,
  address: Address[],
  routes: Route[],
  why: RegExp | undefined,
])[] = [
  ["what stays", [address("192.0.2.1/24")], [], undefined],
  [
    "a lease",
    [address("192.0.2.1/24", 0)],
    [],
    /^has 192\.0\.2\.1\/24 for a time only: a DHCP client renews it/,
  ],
  [
    "a router's prefix",
    [address("2001:db8::1/64", 0)],
    [],
    /^has 2001:db8::1\/64 for a time only: the kernel or/,
  ],
  ["a link-local address", [address("fe80::1/64", 0)], [], undefined],
  [
    "a nexthop object",
    [],
    [route("10.0.0.0/8", { more: { nexthop: 9 } })],
    /route to 10\.0\.0\.0\/8 .* by a nexthop object/,
  ],
];
test.each(REFUSED)("refused or not: %s", (_, addresses, routes, why) => {
  const said = whyNotCarried("eth0", { addresses, routes });
  if (why === undefined) expect(said).toBeUndefined();
  else expect(said).toMatch(why);
});

describe("how it is carried", () => {
  const held = {
    addresses: [
      address("192.0.2.1/24", PERMANENT, { label: "eth0", proto: 0x7b }),
      address("192.0.2.2/24", PERMANENT | 0x01, { label: "eth0:web" }),
      address("2001:db8::1/64", PERMANENT | NO_ROUTE),
    ],
    routes: [route("0.0.0.0/0", { via: "192.0.2.254" }), route("198.51.100.0/24")],
  };
  const way = carrying(belongingsOf(held), { from: NIC, to: BRIDGE, readOf: NIC.ifindex });
  const words = way.give.map(({ what }) => what);

  test("all is given in order, and taken in the reverse order", () => {
    expect(words).toEqual([
      "give 192.0.2.1/24 to link #7",
      "give 192.0.2.2/24 to link #7",
      "give 2001:db8::1/64 to link #7",
      "add the route to 198.51.100.0/24",
      "add the route to 0.0.0.0/0 via 192.0.2.254",
    ]);
    expect(way.take.map(({ what }) => what)).toEqual([
      "delete the route to 0.0.0.0/0 via 192.0.2.254",
      "delete the route to 198.51.100.0/24",
      "take 2001:db8::1/64 from link #2",
      "take 192.0.2.2/24 from link #2",
      "take 192.0.2.1/24 from link #2",
    ]);
  });

  test("with what the kernel told, the link's name in labels replaced, and at once usable", () => {
    const [first, second, third] = way.give.slice(0, 3).map(({ body }) => decodeBody(addressFormat, body));
    expect(first).toMatchObject({ header: { index: 7, flags: 0 }, attrs: { proto: 0x7b } });
    expect(first?.attrs.label).toBeUndefined();
    expect(second?.attrs.label).toBe("br0:web");
    expect(third?.attrs.flags).toBe(NO_ROUTE | IFA_F.IFA_F_NODAD);
    const routes = way.give.slice(3).map(({ body }) => decodeBody(routeFormat, body));
    expect(routes.map(({ attrs }) => attrs.oif)).toEqual([7, 7]);
  });

  test("and back to the very same", () => {
    const read = belongingsOf({
      addresses: way.give.slice(0, 3).map(({ body }) => decodeBody(addressFormat, body)),
      routes: way.give.slice(3).map(({ body }) => decodeBody(routeFormat, body)),
    });
    expect(textsOf(read)).toEqual(textsOf(belongingsOf(held)));
  });

  test("of a multipath route only the legs that lead over the link", () => {
    const legs = [NIC.ifindex, 5].map((ifindex) =>
      rtnexthop.encode({ len: rtnexthop.size, hops: 1, ifindex }),
    );
    const multipath = new Uint8Array(Buffer.concat(legs));
    const { oif: _, ...attrs } = route("10.0.0.0/8").attrs;
    const routes = [{ ...route("10.0.0.0/8"), attrs: { ...attrs, multipath } }];
    const { give } = carrying(belongingsOf({ addresses: [], routes }), {
      from: NIC,
      to: BRIDGE,
      readOf: NIC.ifindex,
    });
    const moved = give.map(({ body }) => decodeBody(routeFormat, body).attrs.multipath ?? new Uint8Array());
    expect(moved.map((bytes) => [0, 8].map((at) => rtnexthop.decode(bytes.subarray(at)).ifindex))).toEqual([
      [7, 5],
    ]);
  });
});

test("what two links share, and what they have together", () => {
  const [one, other] = [
    ["192.0.2.1/24", "192.0.2.2/24"],
    ["192.0.2.2/24", "192.0.2.3/24"],
  ].map((texts) => belongingsOf({ addresses: texts.map((each) => address(each)), routes: [] }));
  if (!one || !other) throw new Error("nothing to compare");
  expect(textsOf(sharedWith(one, other))).toEqual(["192.0.2.2/24"]);
  expect(textsOf(joined(one, other))).toEqual(["192.0.2.1/24", "192.0.2.2/24", "192.0.2.3/24"]);
  expect(isNothing(NOTHING)).toBe(true);
  expect(isNothing(one)).toBe(false);
});

test("who has to answer: gateways of default routes, each once", () => {
  const routes = [
    route("0.0.0.0/0", { via: "192.0.2.254" }),
    route("0.0.0.0/0", { via: "192.0.2.254", more: { priority: 9 } }),
    route("10.0.0.0/8", { via: "192.0.2.253" }),
    route("::/0", { via: "fe80::1" }),
  ];
  expect(gatewaysOf(belongingsOf({ addresses: [], routes })).map(formatIp)).toEqual([
    "192.0.2.254",
    "fe80::1",
  ]);
});

test("a body is kept as the kernel told it, with attributes that nobody knows", () => {
  const unknown = { type: 77, payload: Uint8Array.of(1, 2, 3) };
  const told = address("192.0.2.1/24", PERMANENT, { other: [unknown] });
  const [kept] = belongingsOf({ addresses: [told], routes: [] }).addresses;
  expect(kept?.body).toBe(Buffer.from(encodeBody(addressFormat, told.header, told.attrs)).toString("hex"));
  const [given] = carrying(
    { addresses: kept ? [kept] : [], routes: [] },
    { from: NIC, to: BRIDGE, readOf: 2 },
  ).give;
  expect(given && decodeBody(addressFormat, given.body).attrs.other).toEqual([unknown]);
});
