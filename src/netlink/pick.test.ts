import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { concatBytes, fromHex } from "../lib/bytes.ts";
import { align4 } from "./attribute.ts";
import { kindsGolden } from "./kinds.golden.ts";
import { linkGolden } from "./link.golden.ts";
import { decodeLink, type LinkAttr, linkFormat, linkTable, wantedOfLinks } from "./link.ts";
import { macvlanGolden } from "./macvlan.golden.ts";
import { eachMessage, encodeBody, encodeMessage, type Message, NLMSG } from "./message.ts";
import { pickAttrs, type Wanted } from "./pick.ts";

/** Datagrams of links as a kernel sent them. */
const datagrams = [linkGolden, kindsGolden, macvlanGolden]
  .flatMap((golden): object[] => Object.values(golden))
  .flatMap((entry) =>
    "received" in entry && Array.isArray(entry.received) ? entry.received.map(String) : [],
  )
  .map(fromHex)
  .filter((datagram) => [...eachMessage(datagram)].every(({ type }) => type === 16));

function picked(datagram: Uint8Array, wanted: Wanted): Uint8Array {
  const bytes = datagram.slice();
  return bytes.subarray(0, pickAttrs(bytes, wanted));
}

const linksOf = (datagram: Uint8Array) => [...eachMessage(datagram)].map(decodeLink);

describe("of the links of a kernel", () => {
  test("some were captured", () => expect(datagrams.length).toBeGreaterThan(3));

  test("what was asked for is left, of every message, and nothing else", () => {
    const names = fc.uniqueArray(fc.constantFrom(...(Object.keys(linkTable) as LinkAttr[])));
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...datagrams), { minLength: 1, maxLength: 3 }),
        names,
        (some, only) => {
          const whole = concatBytes(some.map((datagram) => padded(datagram)));
          const expected = linksOf(whole).map(({ header, attrs }) => ({
            header,
            attrs: Object.fromEntries(only.flatMap((name) => (name in attrs ? [[name, attrs[name]]] : []))),
          }));
          expect(linksOf(picked(whole, wantedOfLinks(only)))).toEqual(expected);
        },
      ),
    );
  });

  test("with a group only its links are left, whole messages of them", () => {
    const groups = fc.constantFrom(0, 5, 77);
    const link = fc.record({ name: fc.constantFrom("a", "bb", "ccccc"), group: groups });
    fc.assert(
      fc.property(fc.array(link, { maxLength: 8 }), groups, (some, inGroup) => {
        const messages = some.map((attrs) => encodeBody(linkFormat, {}, { mtu: 1500, ...attrs }));
        const end = { type: NLMSG.NLMSG_DONE, flags: 0, seq: 7, body: new Uint8Array(4) };
        const whole = concatBytes([
          ...messages.map((body) => encodeMessage({ type: 16, flags: 2, seq: 7, body })),
          encodeMessage(end),
        ]);
        const left = [...eachMessage(picked(whole, wantedOfLinks(["name"], inGroup)))];
        expect(left.at(-1)).toEqual(end);
        const links = left.slice(0, -1).map((message) => decodeLink(message).attrs);
        expect(links).toEqual(some.filter(({ group }) => group === inGroup));
      }),
    );
  });

  test("two attributes are less than a tenth of the bytes", () => {
    const datagram = datagrams.toSorted((a, b) => b.length - a.length)[0] ?? new Uint8Array();
    expect(picked(datagram, wantedOfLinks(["name", "group"])).length).toBeLessThan(datagram.length / 10);
  });
});

/** The kernel pads the last message of a datagram, too, but not every capture shows it. */
function padded(datagram: Uint8Array): Uint8Array {
  return concatBytes([datagram, new Uint8Array(align4(datagram.length) - datagram.length)]);
}

describe("messages of the protocol itself", () => {
  test("are left whole: an error may quote a request, and its extended ACK is no attribute of a link", () => {
    const body = fromHex("edffffff 2c0000001200010000000000 00000000 0800 0100 6f6f7073");
    const error = encodeMessage({ type: NLMSG.NLMSG_ERROR, flags: 0x200, seq: 7, body });
    expect(picked(error, { header: 16, types: [] })).toEqual(error);
  });
});

describe("of any bytes", () => {
  const wanted = { header: 4, types: [1, 3] };

  test("never more are left than came, and none are invented", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(picked(bytes, wanted).length).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });

  test("what cannot be split into messages and attributes is left as it is, for the decoder to complain of", () => {
    const message = (body: string): Message => ({ type: 16, flags: 0, seq: 1, body: fromHex(body) });
    const tooLong = encodeMessage(message("00000000 0900 0200 01020304"));
    expect(picked(tooLong, wanted)).toEqual(tooLong);
    const cut = concatBytes([
      encodeMessage(message("00000000 0800 0200 01020304")),
      fromHex("ff000000 1000"),
    ]);
    expect(picked(cut, wanted)).toEqual(
      concatBytes([encodeMessage(message("00000000")), fromHex("ff000000 1000")]),
    );
  });
});
