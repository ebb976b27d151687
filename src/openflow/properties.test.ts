import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { concatBytes, equalBytes, fromHex } from "../lib/bytes.ts";
import { UnderlayError } from "../lib/errors.ts";
import type { Ip } from "../lib/ip.ts";
import { macFromBytes } from "../lib/mac.ts";
import { decodeError } from "./errors.ts";
import { decodeFlowMod, encodeFlowMod, type Flow, formatFlow } from "./flow-mod.ts";
import { negotiated, versionsOf } from "./hello.ts";
import { DROP, decodeInstructions, type Instruction, NORMAL } from "./instruction.ts";
import { decodeMatch, encodeMatch, formatMatch, type Match } from "./match.ts";
import { eachMessage, encodeMessage, type Message, MessageSplitter } from "./message.ts";
import { flowsIn, hasMore, portsIn } from "./multipart.ts";
import { openflowGolden } from "./openflow.golden.ts";
import { decodePortStatus, decodePorts } from "./ports.ts";

/** What holds for any bytes and for any values. */

/** Messages that really passed, a few bytes changed and the end cut: they get deeper than noise does. */
const captured = Object.values(openflowGolden)
  .flatMap((entry: { sent?: readonly string[]; received?: readonly string[] }) => [
    ...(entry.sent ?? []),
    ...(entry.received ?? []),
  ])
  .map(fromHex);
const hurt = fc
  .record({
    message: fc.constantFrom(...captured),
    changes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
    cut: fc.nat(64),
    without: fc.constantFrom(0, 8, 16, 48),
  })
  .map(({ message, changes, cut, without }) => {
    const result = message.slice(0, Math.max(0, message.length - cut));
    for (const [at, value] of changes) if (result.length > 0) result[at % result.length] = value;
    return result.subarray(Math.min(without, result.length));
  });
const anyBytes = fc.oneof(fc.uint8Array({ maxLength: 300 }), hurt);

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

const hello = (body: Uint8Array): Message => ({ version: 6, type: 0, xid: 1, body });

const READERS: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  match: decodeMatch,
  instructions: decodeInstructions,
  "flow mod": decodeFlowMod,
  "flows of a reply": flowsIn,
  "more to come": (bytes) => hasMore(hello(bytes)),
  "ports of 1.3": (bytes) => decodePorts(bytes, 4),
  "ports of 1.4": (bytes) => decodePorts(bytes, 5),
  "ports of a reply": (bytes) => decodePorts(portsIn(bytes), 5),
  "status of a port": (bytes) => decodePortStatus(bytes, 5),
  error: decodeError,
  "versions of a HELLO": (bytes) => versionsOf(hello(bytes)),
  "version of a HELLO": (bytes) => negotiated(hello(bytes)),
  messages: eachMessage,
};

describe("any bytes", () => {
  for (const [name, read] of Object.entries(READERS)) {
    test(`read as ${name}: a value or our error, and no byte beyond the end`, () => {
      fc.assert(
        fc.property(anyBytes, (input) => {
          const alone = orOurError(() => read(input));
          expect(orOurError(() => read(surrounded(input, 0x00)))).toEqual(alone);
          expect(orOurError(() => read(surrounded(input, 0x41)))).toEqual(alone);
        }),
        { numRuns: 400 },
      );
    });
  }
});

const messages = fc.array(
  fc.record({
    version: fc.nat(255),
    type: fc.nat(255),
    xid: fc.nat(0xffffffff),
    body: fc.uint8Array({ maxLength: 80 }),
  }),
  { maxLength: 12 },
);

describe("a stream", () => {
  test("gives the same messages, however it is cut", () => {
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 40 }), (sent, cuts) => {
        const stream = concatBytes(sent.map(encodeMessage));
        const splitter = new MessageSplitter();
        const received: Message[] = [];
        let at = 0;
        for (const cut of [...cuts, stream.length]) {
          received.push(...splitter.push(stream.slice(at, at + cut)));
          at += cut;
        }
        received.push(...splitter.push(stream.slice(at)));
        expect(received).toEqual(sent);
      }),
    );
  });

  test("of single bytes, with a message of the greatest length", () => {
    const sent = { version: 5, type: 3, xid: 7, body: new Uint8Array(0xffff - 8).fill(1) };
    const splitter = new MessageSplitter();
    const bytes = encodeMessage(sent);
    const received: Message[] = [];
    for (let at = 0; at < bytes.length; at++) received.push(...splitter.push(bytes.slice(at, at + 1)));
    expect(received).toEqual([sent]);
    expect(() => encodeMessage({ ...sent, body: new Uint8Array(0xffff - 7) })).toThrow("65536 bytes");
  });

  test("with a length below that of the header is of no more use", () => {
    expect(() => eachMessage(fromHex("0500000700000000"))).toThrow("a length of 7 bytes");
  });
});

const mac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => {
  const value = macFromBytes(bytes);
  if (value === undefined) throw new Error("six bytes are a MAC address");
  return value;
});
const ip = (family: 4 | 6) => {
  const length = family === 4 ? 4 : 16;
  return fc.uint8Array({ minLength: length, maxLength: length }).map((bytes): Ip => ({ family, bytes }));
};
const [u8, u16, u32] = [fc.nat(0xff), fc.nat(0xffff), fc.nat(0xffffffff)];

const match: fc.Arbitrary<Match> = fc.record(
  {
    inPort: u32,
    ethSrc: mac,
    ethDst: mac,
    ethType: u16,
    vlanVid: u16,
    ipv4Src: ip(4),
    ipv4Dst: ip(4),
    ipv6Src: ip(6),
    ipv6Dst: ip(6),
    ipProto: u8,
    udpSrc: u16,
    udpDst: u16,
    icmpv6Type: u8,
    ndTarget: ip(6),
    ndSll: mac,
    ndTll: mac,
    arpOp: u16,
    arpSpa: ip(4),
    arpSha: mac,
  },
  { requiredKeys: [] },
);
const instructions: fc.Arbitrary<readonly Instruction[]> = fc.constantFrom<readonly Instruction[]>(
  NORMAL,
  DROP,
  [{ do: "goto", table: 7 }],
  [
    {
      do: "apply",
      actions: [
        { do: "resubmit", table: 9 },
        { do: "output", port: 4 },
      ],
    },
  ],
);

describe("a flow", () => {
  test("is read back as it was written, and its match fills whole eights", () => {
    fc.assert(
      fc.property(
        u16,
        fc.bigInt(0n, (1n << 64n) - 1n),
        match,
        instructions,
        (priority, cookie, wanted, done) => {
          const flow: Flow = { table: 0, priority, cookie, match: wanted, instructions: done };
          const body = encodeFlowMod({ do: "add", flow });
          const read = decodeFlowMod(body);
          expect(read.match).toEqual(wanted);
          expect(read.instructions).toEqual([...done]);
          expect(read.header).toMatchObject({ priority, cookie });
          expect(body.length % 8).toBe(0);
        },
      ),
    );
  });

  test("has one text, whatever order its fields were given in, and another one has another", () => {
    fc.assert(
      fc.property(match, match, (a, b) => {
        const turned = Object.fromEntries(Object.entries(a).reverse()) as Match;
        expect(formatMatch(turned)).toBe(formatMatch(a));
        const isSame = equalBytes(encodeMatch(a), encodeMatch(b));
        expect(formatMatch(a) === formatMatch(b)).toBe(isSame);
      }),
    );
  });

  test("for a person", () => {
    const flow = { table: 0, priority: 5, cookie: 0x75n, match: { inPort: 3 }, instructions: NORMAL };
    expect(formatFlow(flow)).toBe("cookie=0x75,table=0,priority=5,inPort=3 apply(output:4294967290)");
    expect(formatFlow({ ...flow, instructions: DROP })).toEndWith(" drop");
  });
});
