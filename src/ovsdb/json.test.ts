import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { exchanges } from "./exchange.golden.ts";
import { type Json, type JsonObject, Splitter, stringify } from "./json.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function split(text: string | Uint8Array, sizes: readonly number[] = []): JsonObject[] {
  const whole = typeof text === "string" ? bytes(text) : text;
  const splitter = new Splitter();
  const messages: JsonObject[] = [];
  let at = 0;
  for (const size of [...sizes, whole.length]) {
    // A buffer that is used again, as a socket's may be.
    const chunk = whole.slice(at, at + size);
    messages.push(...splitter.push(chunk));
    chunk.fill(0);
    at += size;
  }
  return messages;
}

const atom = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  // One that is whole and beyond 2^53 comes back as a bigint, which the column's type makes a number again.
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Number.isInteger(number)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).filter((big) => !Number.isSafeInteger(Number(big))),
  fc.string({ unit: "binary" }).filter((text) => text.isWellFormed()),
);
const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    atom,
    fc.array(tie("json")),
    fc.dictionary(fc.string(), tie("json"), { noNullPrototype: true }),
  ),
}));
const message = fc.dictionary(fc.string(), json, { noNullPrototype: true, maxKeys: 4 });
const space = fc.constantFrom("", " ", "\n", "\r\n\t");

describe("the splitter", () => {
  test("finds the same messages however the stream is cut, with or without space between them", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(message, space), { maxLength: 5 }),
        fc.array(fc.nat({ max: 20 }), { maxLength: 60 }),
        (messages, sizes) => {
          const text = messages.map(([each, between]) => stringify(each) + between).join("");
          expect(split(text, sizes)).toEqual(messages.map(([each]) => each));
        },
      ),
    );
  });

  test("finds what real servers send, byte by byte", () => {
    for (const { received } of Object.values(exchanges)) {
      const text = received.join("");
      const ones = Array.from(bytes(text), () => 1);
      expect(split(text, ones).map(stringify)).toEqual(split(text).map(stringify));
      expect(split(text)).toHaveLength(received.length);
    }
  });

  test("keeps integers of 64 bits exact, and other numbers as they are", () => {
    const text =
      '{"a":9223372036854775807,"b":-9007199254740993,"c":9007199254740991,"d":[1e300,0.1234567890123456789]}';
    const [found] = split(text, [10, 9, 3]);
    expect(found).toEqual({
      a: 9223372036854775807n,
      b: -9007199254740993n,
      c: 2 ** 53 - 1,
      d: [1e300, 0.12345678901234568],
    });
    expect(stringify(found ?? null)).toContain('"a":9223372036854775807,"b":-9007199254740993,');
    // Digits in a text are no number.
    expect(split('{"a":"9223372036854775807"}')).toEqual([{ a: "9223372036854775807" }]);
  });

  const garbage: readonly (readonly [string, string | Uint8Array])[] = [
    ["an HTTP server", "HTTP/1.1 400 Bad Request\r\n"],
    ["OpenFlow", new Uint8Array([4, 0, 0, 8, 0, 0, 0, 1])],
    ["a list", "[1]"],
    ["brackets that do not match", '{"a":[}}'],
    ["a message that is no JSON", "{a:1}"],
    ["bytes that are no UTF-8", new Uint8Array([...bytes('{"a":"'), 0xff, ...bytes('"}')])],
    ["something after a message", '{"id":1} }'],
  ];
  test.each(garbage)("refuses %s in words", (_name, text) => {
    expect(() => split(text)).toThrow("sends a message that is not OVSDB: it begins with");
  });

  test("gives up a message that is too long or too deep, also one that has no end", () => {
    const limited = () => new Splitter({ bytes: 100, depth: 4 });
    const push = (splitter: Splitter, text: string) => [...splitter.push(bytes(text))];
    expect(push(limited(), `{"a":"${"x".repeat(92)}"}`)).toHaveLength(1);
    expect(() => push(limited(), `{"a":"${"x".repeat(93)}"}`)).toThrow("longer than 100 bytes");
    const endless = limited();
    expect(() => {
      for (let i = 0; i < 30; i++) push(endless, i === 0 ? '{"a":"' : "xxxx");
    }).toThrow("longer than 100 bytes");
    expect(push(limited(), '{"a":[[[]]]}')).toHaveLength(1);
    expect(() => push(limited(), '{"a":[[[["}]"]]]]}')).toThrow("it opens 5 brackets");
    expect(push(limited(), '{"a":[[["[[[[\\\\"]]]}')).toHaveLength(1);
    expect(() => push(limited(), '{"a":[[[[')).toThrow("it opens 5 brackets");
  });
});
