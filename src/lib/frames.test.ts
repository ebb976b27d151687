import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type ArpPacket, arpAnnouncement, arpRequest, decodeArp } from "./arp.ts";
import { fromHex, toHex } from "./bytes.ts";
import { decodeEthernet, encodeEthernet } from "./ethernet.ts";
import { framesGolden } from "./frames.golden.ts";
import { formatIp, type Ip, parseIp } from "./ip.ts";
import { type Mac, macFromBytes, parseMac } from "./mac.ts";
import { decodeAdvertisement, linkLocalOf, neighbourSolicitation, unsolicitedAdvertisement } from "./ndp.ts";

/** Our frames against the kernel's; the values are written by hand from the set-up of tools/capture-frames.ts. */

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("a value of the test itself does not parse");
  return value;
}
const mac = (text: string): Mac => known(parseMac(text));
const ip = (text: string): Ip => known(parseIp(text));

const GATEWAY_MAC = mac("02:00:00:00:00:01");
const ASKER = mac("02:00:00:00:00:02");
const GATEWAY = ip("192.0.2.1");
const GATEWAY6 = ip("fe80::1");
const { arpProbe, arpRequest: arpAsked, solicitation, duplicateDetection } = framesGolden;

describe("what we ask is byte for byte what the kernel asks:", () => {
  test.each([
    ["an RFC 5227 probe", arpRequest(ASKER, GATEWAY), arpProbe.asked],
    ["a request with a sender", arpRequest(ASKER, GATEWAY, ip("192.0.2.9")), arpAsked.asked],
    ["a solicitation", neighbourSolicitation(ASKER, GATEWAY6, linkLocalOf(ASKER)), solicitation.asked],
  ])("%s", (_, ours, kernels) => {
    expect(toHex(ours)).toBe(kernels);
  });
});

describe("what we tell unasked", () => {
  test("of an IPv6 address is byte for byte what the kernel tells all nodes", () => {
    expect(toHex(unsolicitedAdvertisement(GATEWAY_MAC, GATEWAY6))).toBe(duplicateDetection.answered);
  });

  test("of an IPv4 address is an ARP request of RFC 5227: for the sender's own address, to all", () => {
    const frame = arpAnnouncement(GATEWAY_MAC, GATEWAY);
    expect(decodeEthernet(frame)).toMatchObject({
      destination: mac("ff:ff:ff:ff:ff:ff"),
      source: GATEWAY_MAC,
    });
    expect(decodeArp(frame)).toEqual({
      operation: "request",
      senderMac: GATEWAY_MAC,
      senderIp: GATEWAY,
      targetMac: mac("00:00:00:00:00:00"),
      targetIp: GATEWAY,
    });
  });
});

describe("what the kernel answers is read:", () => {
  const arp = (packet: Partial<ArpPacket>): ArpPacket => ({
    operation: "reply",
    senderMac: GATEWAY_MAC,
    senderIp: GATEWAY,
    targetMac: ASKER,
    targetIp: ip("0.0.0.0"),
    ...packet,
  });
  test.each([
    ["to a probe", arpProbe.answered, arp({})],
    ["to a request", arpAsked.answered, arp({ targetIp: ip("192.0.2.9") })],
    [
      "a question",
      arpProbe.asked,
      arp({
        operation: "request",
        senderMac: ASKER,
        senderIp: ip("0.0.0.0"),
        targetMac: mac("00:00:00:00:00:00"),
        targetIp: GATEWAY,
      }),
    ],
  ])("ARP, %s", (_, frame, packet) => {
    expect(decodeArp(fromHex(frame))).toEqual(packet);
  });

  test.each([
    ["to one", solicitation.answered, { to: ASKER, solicited: true }],
    ["to all nodes", duplicateDetection.answered, { to: mac("33:33:00:00:00:01"), solicited: false }],
  ])("an advertisement %s", (_, frame, expected) => {
    expect(decodeAdvertisement(fromHex(frame))).toEqual({ target: GATEWAY6, at: GATEWAY_MAC, ...expected });
  });

  test("one without a target link-layer address is its sender's", () => {
    const { destination, source, etherType, payload } = known(decodeEthernet(fromHex(solicitation.answered)));
    // The option goes, the checksum loses its words.
    const short = payload.slice(0, 64);
    short[5] = 24;
    const words = 0x0201 + 0x0200 + 0x0000 + 0x0001 + 8;
    const sum = ((payload[42] ?? 0) << 8) + (payload[43] ?? 0) + words;
    const folded = (sum & 0xffff) + (sum >>> 16);
    short.set([folded >> 8, folded & 0xff], 42);
    const frame = encodeEthernet({
      destination,
      source: mac("02:00:00:00:00:07"),
      etherType,
      payload: short,
    });
    expect([source, decodeAdvertisement(frame)?.at]).toEqual([GATEWAY_MAC, mac("02:00:00:00:00:07")]);
  });
});

describe("what is none is none:", () => {
  const advertisement = fromHex(solicitation.answered);
  const answer = fromHex(arpProbe.answered);

  test("the other kind, a question, a frame that is cut anywhere", () => {
    expect([decodeArp(advertisement), decodeAdvertisement(answer)]).toEqual([undefined, undefined]);
    expect(decodeAdvertisement(fromHex(solicitation.asked))).toBeUndefined();
    for (let length = 0; length < answer.length; length++)
      expect(decodeArp(answer.subarray(0, length))).toBeUndefined();
    for (let length = 0; length < advertisement.length; length++)
      expect(decodeAdvertisement(advertisement.subarray(0, length))).toBeUndefined();
  });

  test("an advertisement with any byte of its packet changed that RFC 4861 has checked", () => {
    // Next header, hop limit, and all that the checksum covers; not traffic class, flow label or the frame's MACs.
    const checked = [20, 21, ...Array.from({ length: advertisement.length - 22 }, (_, i) => i + 22)];
    for (const at of checked) {
      const changed = advertisement.slice();
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      expect([at, decodeAdvertisement(changed)]).toEqual([at, undefined]);
    }
  });

  test("padding behind it changes nothing", () => {
    const padded = (frame: Uint8Array) => Uint8Array.from([...frame, ...new Array<number>(18).fill(0)]);
    expect(decodeArp(padded(answer))).toEqual(decodeArp(answer));
    expect(decodeAdvertisement(padded(advertisement))).toEqual(decodeAdvertisement(advertisement));
  });

  test("whatever comes from the wire", () => {
    const bytes = fc.uint8Array({ maxLength: 120 });
    const head = fc.constantFrom(arpProbe.answered.slice(0, 40), solicitation.answered.slice(0, 110), "");
    fc.assert(
      fc.property(head, bytes, (start, rest) => {
        const frame = Uint8Array.from([...fromHex(start), ...rest]);
        decodeArp(frame);
        decodeAdvertisement(frame);
      }),
    );
  });
});

test("a link-local address is that of RFC 4291 appendix A", () => {
  expect(formatIp(linkLocalOf(mac("34:56:78:9a:bc:de")))).toBe("fe80::3656:78ff:fe9a:bcde");
});

test("every question is one of ARP that says so, for all MACs and addresses", () => {
  const six = fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => known(macFromBytes(bytes)));
  const v4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes): Ip => ({ family: 4, bytes }));
  fc.assert(
    fc.property(six, v4, v4, (from, target, sender) => {
      const packet = decodeArp(arpRequest(from, target, sender));
      expect(packet).toMatchObject({
        operation: "request",
        senderMac: from,
        senderIp: sender,
        targetIp: target,
      });
    }),
  );
});
