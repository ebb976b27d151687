import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { concatBytes, fromHex } from "../lib/bytes.ts";
import { UnderlayError } from "../lib/errors.ts";
import type { Ip } from "../lib/ip.ts";
import { macFromBytes } from "../lib/mac.ts";
import { addressGolden } from "./address.golden.ts";
import { addressFormat } from "./address.ts";
import {
  type AttrTable,
  align4,
  attrPath,
  decodeAttrs,
  encodeAttr,
  encodeAttrs,
  nested,
} from "./attribute.ts";
import { binary, i32, ipAddress, linkAddress, struct, text, u8, u16, u16be, u32 } from "./codec.ts";
import { failureOf, type Request } from "./failure.ts";
import { controllerTable, genlmsghdr } from "./genetlink.ts";
import { ipvlanTable } from "./kinds/ipvlan.ts";
import { macvlanTable } from "./kinds/macvlan.ts";
import { vlanTable } from "./kinds/vlan.ts";
import { kindsGolden } from "./kinds.golden.ts";
import { linkGolden } from "./link.golden.ts";
import { linkFormat, linkTable } from "./link.ts";
import { macvlanGolden } from "./macvlan.golden.ts";
import {
  type BodyFormat,
  decodeBody,
  eachMessage,
  encodeBody,
  encodeMessage,
  NLMSG,
  nlmsghdr,
} from "./message.ts";
import { neighbourGolden } from "./neighbour.golden.ts";
import { neighbourFormat } from "./neighbour.ts";
import { nl80211Format } from "./nl80211.ts";
import { nsidFormat } from "./nsid.ts";
import { routeGolden } from "./route.golden.ts";
import { metricsTable, nextHopsOf, routeFormat, routeTable } from "./route.ts";

/** What holds for any bytes and for any values. */

// biome-ignore lint/suspicious/noExplicitAny: a table of formats of different members
type AnyFormat = BodyFormat<any, AttrTable>;

const FORMATS: Readonly<Record<string, AnyFormat>> = {
  link: linkFormat,
  address: addressFormat,
  route: routeFormat,
  neighbour: neighbourFormat,
  nsid: nsidFormat,
  nl80211: nl80211Format,
  controller: { header: genlmsghdr, table: controllerTable },
};

const bytes = (max: number) => fc.uint8Array({ maxLength: max });

/** Messages that a kernel really sent, a few bytes changed and the end cut: they get deeper than noise does. */
const captured = [linkGolden, macvlanGolden, kindsGolden, addressGolden, routeGolden, neighbourGolden]
  .flatMap((file) => Object.values(file))
  .flatMap((entry: { sent?: readonly string[]; received?: readonly string[] }) => [
    ...(entry.sent ?? []),
    ...(entry.received ?? []),
  ])
  .map(fromHex);
const hurt = fc
  .record({
    message: fc.constantFrom(...captured),
    changes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }),
    cut: fc.nat(64),
  })
  .map(({ message, changes, cut }) => {
    const result = message.slice(0, Math.max(0, message.length - cut));
    for (const [at, value] of changes) if (result.length > 0) result[at % result.length] = value;
    return result;
  });
const anyBytes = fc.oneof(bytes(300), hurt);

/** What `work` gives, or the error that it may throw; any other error is thrown on. */
function orOurError<T>(work: () => T): T | string {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof UnderlayError) return `${thrown.code}: ${thrown.message}`;
    throw thrown;
  }
}

/** The same bytes with others around them: a reader that goes past the end sees a difference. */
function surrounded(inner: Uint8Array, by: number): Uint8Array {
  const whole = new Uint8Array(inner.length + 64).fill(by);
  whole.set(inner, 32);
  return whole.subarray(32, 32 + inner.length);
}

function readsOnly(inner: Uint8Array, read: (bytes: Uint8Array) => unknown): void {
  const alone = orOurError(() => read(inner));
  expect(orOurError(() => read(surrounded(inner, 0x00)))).toEqual(alone);
  expect(orOurError(() => read(surrounded(inner, 0x41)))).toEqual(alone);
}

describe("any bytes", () => {
  for (const [name, format] of Object.entries(FORMATS)) {
    test(`decoded as ${name}: a value or our error, and no byte beyond the end`, () => {
      fc.assert(
        fc.property(anyBytes, (input) => readsOnly(input, (some) => decodeBody(format, some))),
        { numRuns: 400 },
      );
    });
  }

  test("split into messages, each decoded", () => {
    const read = (some: Uint8Array) =>
      [...eachMessage(some)].map(({ body }) => orOurError(() => decodeBody(linkFormat, body)));
    fc.assert(
      fc.property(anyBytes, (input) => readsOnly(input, read)),
      { numRuns: 1000 },
    );
  });

  test("as a failure: told, or our error", () => {
    const request: Request = {
      type: 16,
      flags: 0,
      body: captured[0] ?? new Uint8Array(),
      format: linkFormat,
      what: "x",
    };
    const message = (body: Uint8Array, flags: number) => ({ type: NLMSG.NLMSG_ERROR, flags, seq: 1, body });
    fc.assert(
      fc.property(anyBytes, fc.constantFrom(0, 0x100, 0x200, 0x300), (body, flags) =>
        readsOnly(body, (some) => failureOf(request, message(some, flags))?.message),
      ),
      { numRuns: 1000 },
    );
  });

  test("as the request that an offset points into", () => {
    fc.assert(
      fc.property(anyBytes, fc.integer(), (input, offset) =>
        readsOnly(input, (some) => attrPath(linkTable, some, offset)),
      ),
      { numRuns: 1000 },
    );
  });

  test("as the hops of a route", () => {
    fc.assert(
      fc.property(anyBytes, (multipath) =>
        readsOnly(multipath, (some) => nextHopsOf({ header: zeroRoute, attrs: { multipath: some } })),
      ),
      { numRuns: 1000 },
    );
  });
});

const zeroRoute = {
  family: 2,
  dst_len: 0,
  src_len: 0,
  tos: 0,
  table: 0,
  protocol: 0,
  scope: 0,
  type: 0,
  flags: 0,
};

const macs = fc.uint8Array({ minLength: 6, maxLength: 6 }).map((six) => macFromBytes(six));
const longLinkAddresses = fc.uint8Array({ minLength: 7, maxLength: 32 });
const ips: fc.Arbitrary<Ip> = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map((four): Ip => ({ family: 4, bytes: four })),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((sixteen): Ip => ({ family: 6, bytes: sixteen })),
);
const words = fc.string({
  unit: fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }).filter((c) => c !== "\0"),
});

/** Values of the codecs that stand alone; the others are declared with their table. */
const VALUES = new Map<unknown, fc.Arbitrary<unknown>>([
  [u8, fc.nat(0xff)],
  [u16, fc.nat(0xffff)],
  [u16be, fc.nat(0xffff)],
  [u32, fc.nat(0xffffffff)],
  [i32, fc.integer()],
  [text, words],
  [binary, bytes(40)],
  [linkAddress, fc.oneof(macs, longLinkAddresses)],
  [ipAddress, ips],
]);

function optional(table: AttrTable, own: Readonly<Record<string, fc.Arbitrary<unknown>>> = {}) {
  const arbitraries = Object.entries(table).map(([name, { codec }]) => {
    const values = own[name] ?? VALUES.get(codec);
    if (!values) throw new Error(`no values for ${name}: give some in ROUND_TRIPS`);
    return [name, values] as const;
  });
  const taken = new Set(Object.values(table).map(({ type }) => type));
  const unknown = fc.record({ type: fc.nat(0x3fff).filter((type) => !taken.has(type)), payload: bytes(20) });
  return fc.record(
    { ...Object.fromEntries(arbitraries), other: fc.array(unknown, { minLength: 1, maxLength: 3 }) },
    { requiredKeys: [] },
  );
}

const macvlanValues = optional(macvlanTable, { macaddrData: fc.array(macs, { maxLength: 4 }) });
const vlanValues = optional(vlanTable, {
  flags: fc.record({ flags: fc.nat(), mask: fc.nat() }),
});
const infoValues = fc.oneof(
  fc.record({ kind: fc.constantFrom("macvlan", "macvtap"), data: macvlanValues }, { requiredKeys: ["kind"] }),
  fc.record(
    { kind: fc.constantFrom("ipvlan", "ipvtap"), data: optional(ipvlanTable) },
    { requiredKeys: ["kind"] },
  ),
  fc.record({ kind: fc.constant("vlan"), data: vlanValues }, { requiredKeys: ["kind"] }),
  fc.record(
    {
      kind: fc.constantFrom("veth", "bridge", "constructor", "__proto__"),
      rawData: bytes(40),
      slaveKind: words,
    },
    { requiredKeys: ["kind"] },
  ),
);

const ROUND_TRIPS: readonly [name: string, table: AttrTable, values: fc.Arbitrary<object>][] = [
  ...Object.entries(FORMATS)
    .filter(([name]) => name !== "link" && name !== "route")
    .map(([name, { table }]) => [name, table, optional(table)] as [string, AttrTable, fc.Arbitrary<object>]),
  ["link", linkTable, optional(linkTable, { info: infoValues, altNames: fc.array(words, { maxLength: 4 }) })],
  ["route", routeTable, optional(routeTable, { metrics: optional(metricsTable) })],
  ["macvlan", macvlanTable, macvlanValues],
  ["ipvlan", ipvlanTable, optional(ipvlanTable)],
  ["vlan", vlanTable, vlanValues],
];

describe("any values", () => {
  for (const [name, table, values] of ROUND_TRIPS) {
    test(`of ${name}: encoded and decoded again they are the same`, () => {
      fc.assert(
        fc.property(values, (given) => {
          expect(decodeAttrs(table, encodeAttrs(table, given))).toEqual(given);
        }),
        { numRuns: 300 },
      );
    });
  }

  test("of a link's header and the frame around it", () => {
    const headers = fc.record({
      family: fc.nat(0xff),
      index: fc.integer(),
      flags: fc.nat(0xffffffff),
      type: fc.nat(0xffff),
    });
    const frames = fc.record({ type: fc.nat(0xffff), flags: fc.nat(0xffff), seq: fc.nat(0xffffffff) });
    fc.assert(
      fc.property(fc.array(fc.tuple(headers, frames), { minLength: 1, maxLength: 5 }), (all) => {
        const sent = all.map(([header, frame]) => ({ ...frame, body: encodeBody(linkFormat, header, {}) }));
        const got = [...eachMessage(concatBytes(sent.map(encodeMessage)))];
        expect(got).toEqual(sent);
        got.forEach(({ body }, i) => {
          expect(decodeBody(linkFormat, body).header).toMatchObject(all[i]?.[0] ?? {});
        });
      }),
    );
  });

  test("a value that is too long for an attribute is refused, not cut", () => {
    expect(() => encodeAttr(20, new Uint8Array(0x10000))).toThrow(UnderlayError);
    expect(encodeAttr(20, new Uint8Array(0xffff - 4)).length).toBe(0x10000);
  });
});

describe("lengths that lie", () => {
  const table = {
    inner: { type: 1, symbol: "INNER", codec: nested({ leaf: { type: 1, symbol: "LEAF", codec: u32 } }) },
  } as const;
  const cases: readonly [what: string, hex: string][] = [
    ["shorter than its own header", "0300 0100 00000000"],
    ["zero, which would go on for ever", "0000 0100 00000000"],
    ["longer than the row", "0c00 0100 00000000"],
    ["of a nested one longer than its parent", "0c00 0100 0c00 0100 01000000"],
    ["of a nested one shorter than its value", "0a00 0100 0600 0100 0100 0000"],
  ];
  for (const [what, hex] of cases) {
    test(what, () => expect(() => decodeAttrs(table, fromHex(hex))).toThrow(UnderlayError));
  }

  const frame = (len: number, size: number) => {
    const datagram = new Uint8Array(size);
    datagram.set(nlmsghdr.encode({ len, type: 16, flags: 0, seq: 1, pid: 0 }));
    return datagram;
  };
  for (const [what, len] of [
    ["zero", 0],
    ["shorter than its header", 15],
    ["longer than the datagram", 33],
  ] as const) {
    test(`of a message: ${what}`, () => {
      expect(() => [...eachMessage(frame(len, 32))]).toThrow(UnderlayError);
    });
  }

  test("of a struct that is too short; a longer one is cut, as younger kernels send it", () => {
    const pair = struct({ a: u16, b: u16 });
    expect(() => pair.decode(new Uint8Array(3))).toThrow(UnderlayError);
    expect(pair.decode(fromHex("0100 0200 0300"))).toEqual({ a: 1, b: 2 });
  });
});

/** What an established library had to retract releases for, all in how it receives. */
describe("retracted elsewhere", () => {
  const ack = (length: number) => {
    const message = new Uint8Array(length);
    message.set(nlmsghdr.encode({ len: length, type: NLMSG.NLMSG_ERROR, flags: 0, seq: 7, pid: 0 }));
    return message;
  };

  test("a last message whose length is no multiple of four does not break the reader", () => {
    for (const length of [17, 18, 19, 21, 37]) {
      expect(orOurError(() => [...eachMessage(ack(length))].length)).toBe(1);
    }
  });

  test("such a message is valid, with its padding and without, alone and before another", () => {
    const odd = ack(21);
    const padded = concatBytes([odd, new Uint8Array(align4(odd.length) - odd.length)]);
    expect([...eachMessage(odd)].map(({ body }) => body.length)).toEqual([5]);
    expect([...eachMessage(padded)].map(({ body }) => body.length)).toEqual([5]);
    expect([...eachMessage(concatBytes([padded, ack(20)]))].map(({ body }) => body.length)).toEqual([5, 4]);
    const lastOdd = encodeAttr(3, fromHex("6d30 00")).subarray(0, 7);
    expect(decodeAttrs(linkTable, lastOdd)).toEqual({ name: "m0" });
  });
  // The third, a receive that keeps others from sending, is in test/live/netlink-threads.test.ts.
});
