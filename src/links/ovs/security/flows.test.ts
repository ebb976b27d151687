import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Ip, parseIp } from "../../../lib/ip.ts";
import { type Mac, parseMac } from "../../../lib/mac.ts";
import { linkLocalOf } from "../../../lib/ndp.ts";
import { encodeFlowMod, type Flow, rowOf } from "../../../openflow/flow-mod.ts";
import { type FieldName, fields, type Match } from "../../../openflow/match.ts";
import { cookieOf, isOurCookie, OUR_COOKIE, OUR_COOKIE_MASK } from "./cookie.ts";
import { flowsFor } from "./flows.ts";

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("a value of the test itself does not parse");
  return value;
}
const mac = (text: string): Mac => known(parseMac(text));
const ip = (text: string): Ip => known(parseIp(text));

const own = mac("02:00:00:00:00:05");
const other = mac("02:00:00:00:00:66");
const none = mac("00:00:00:00:00:00");
const linkLocal = linkLocalOf(own);
const [own4, other4, zero4] = [ip("192.0.2.5"), ip("192.0.2.66"), ip("0.0.0.0")];
const [own6, other6, zero6] = [ip("fd00::5"), ip("fd00::66"), ip("::")];
const port = { ofport: 5, mac: own, addresses: [own4, own6], cookie: cookieOf("docker:net/ep") };
const flows = flowsFor(port);

/** A frame, by what Open vSwitch reads in it. */
type Frame = Match;

function matches(match: Match, frame: Frame): boolean {
  return (Object.keys(fields) as FieldName[]).every(
    (name) => match[name] === undefined || Bun.deepEquals(match[name], frame[name]),
  );
}

/** What becomes of a frame; `untouched`: no flow of ours is asked. */
function verdict(frame: Frame, table: readonly Flow[] = flows): "passes" | "dropped" | "untouched" {
  const [best] = table.filter(({ match }) => matches(match, frame)).sort((a, b) => b.priority - a.priority);
  if (best === undefined) return "untouched";
  return best.instructions.length > 0 ? "passes" : "dropped";
}

const from = { inPort: 5, ethSrc: own };
const arp = { ...from, ethType: 0x0806, arpOp: 1, arpSha: own, arpSpa: own4, arpTpa: other4 };
const v4 = { ...from, ethType: 0x0800, ipv4Src: own4, ipProto: 6 };
const v6 = { ...from, ethType: 0x86dd, ipv6Src: own6, ipProto: 6 };
const udp = { ipProto: 17, udpSrc: 40_000, udpDst: 53 };
const icmp6 = { ...v6, ipProto: 58 };
const ns = { ...icmp6, icmpv6Type: 135, ndTarget: other6, ndSll: own, ndTll: none };
const dad = { ...ns, ipv6Src: zero6, ndTarget: own6, ndSll: none };
const na = { ...icmp6, icmpv6Type: 136, ndTarget: own6, ndSll: none, ndTll: own };
const dhcp = { ...v4, ...udp, ipv4Src: zero4, udpSrc: 68, udpDst: 67 };

const PASS: readonly (readonly [string, Frame])[] = [
  ["TCP from its own address", v4],
  ["UDP from its own address", { ...v4, ...udp }],
  ["IPv4 with a VLAN tag, as a trunk has", { ...v4, vlanVid: 0x1064 }],
  ["an ARP request", arp],
  ["an ARP reply", { ...arp, arpOp: 2 }],
  ["an ARP announcement", { ...arp, arpTpa: own4 }],
  ["an ARP probe for its own address", { ...arp, arpSpa: zero4, arpTpa: own4 }],
  ["a DHCP client without an address", dhcp],
  ["a DHCP client that renews", { ...v4, ...udp, udpSrc: 68, udpDst: 67 }],
  ["TCP over IPv6", v6],
  ["TCP from its link-local address", { ...v6, ipv6Src: linkLocal }],
  ["a DHCPv6 client", { ...v6, ...udp, ipv6Src: linkLocal, udpSrc: 546, udpDst: 547 }],
  ["an echo request", { ...icmp6, icmpv6Type: 128 }],
  ["a neighbour solicitation", ns],
  ["a neighbour solicitation from link-local", { ...ns, ipv6Src: linkLocal }],
  ["a neighbour solicitation that leaves its MAC out", { ...ns, ndSll: none }],
  ["duplicate address detection", dad],
  ["duplicate address detection of its link-local address", { ...dad, ndTarget: linkLocal }],
  ["a neighbour advertisement", na],
  ["a neighbour advertisement that leaves its MAC out", { ...na, ndTll: none }],
  ["a neighbour advertisement from another of its addresses", { ...na, ipv6Src: linkLocal }],
  ["a router solicitation", { ...icmp6, ipv6Src: linkLocal, icmpv6Type: 133 }],
  ["a router solicitation without an address", { ...icmp6, ipv6Src: zero6, icmpv6Type: 133 }],
  ["an MLDv2 report", { ...icmp6, ipv6Src: linkLocal, icmpv6Type: 143 }],
  ["an MLDv2 report without an address", { ...icmp6, ipv6Src: zero6, icmpv6Type: 143 }],
];

const DROPPED: readonly (readonly [string, Frame])[] = [
  ["TCP from another's address", { ...v4, ipv4Src: other4 }],
  ["TCP from another's IPv6 address", { ...v6, ipv6Src: other6 }],
  ["TCP from another's link-local address", { ...v6, ipv6Src: linkLocalOf(other) }],
  ["TCP from no IPv6 address", { ...v6, ipv6Src: zero6 }],
  ["ARP for another's address", { ...arp, arpSpa: other4 }],
  ["an ARP reply that gives its address another's MAC", { ...arp, arpOp: 2, arpSha: other }],
  ["an ARP probe for another's address", { ...arp, arpSpa: zero4 }],
  ["an ARP reply of no address", { ...arp, arpOp: 2, arpSpa: zero4, arpTpa: own4 }],
  ["a DHCP offer", { ...v4, ...udp, udpSrc: 67, udpDst: 68 }],
  ["a DHCP offer from another port", { ...v4, ...udp, udpSrc: 1067, udpDst: 68 }],
  ["a DHCP offer by way of a relay", { ...v4, ...udp, udpSrc: 67, udpDst: 67 }],
  ["a DHCP offer without an address", { ...dhcp, udpSrc: 67, udpDst: 68 }],
  ["UDP without an address that is not DHCP", { ...dhcp, udpDst: 53 }],
  ["a DHCPv6 advertisement", { ...v6, ...udp, ipv6Src: linkLocal, udpSrc: 547, udpDst: 546 }],
  ["a DHCPv6 advertisement from another port", { ...v6, ...udp, udpSrc: 1547, udpDst: 546 }],
  ["a router advertisement", { ...icmp6, ipv6Src: linkLocal, icmpv6Type: 134 }],
  ["a redirect", { ...icmp6, ipv6Src: linkLocal, icmpv6Type: 137 }],
  ["a neighbour solicitation with another's MAC", { ...ns, ndSll: other }],
  ["a neighbour solicitation from another's address", { ...ns, ipv6Src: other6 }],
  // Open vSwitch reads one with an option given twice so.
  ["a neighbour solicitation that is read as one without a target", { ...ns, ndTarget: zero6, ndSll: none }],
  ["duplicate address detection of another's address", { ...dad, ndTarget: other6 }],
  ["a neighbour advertisement of another's address", { ...na, ndTarget: other6 }],
  ["a neighbour advertisement with another's MAC", { ...na, ndTll: other }],
  ["a neighbour advertisement from another's address", { ...na, ipv6Src: other6 }],
  ["an echo request without an address", { ...icmp6, ipv6Src: zero6, icmpv6Type: 128 }],
  ["a spanning tree of its own", { ...from, ethType: 0x05ff }],
  ["a protocol that is not looked into", { ...from, ethType: 0x88cc }],
  ["a frame with two VLAN tags", { ...from, ethType: 0x8100, vlanVid: 0x1064 }],
];

describe("a secured port", () => {
  test.each(PASS)("may send %s", (_, frame) => {
    expect(verdict(frame)).toBe("passes");
  });

  test.each(DROPPED)("may not send %s", (_, frame) => {
    expect(verdict(frame)).toBe("dropped");
  });

  test.each([...PASS, ...DROPPED])("may not send %s from another MAC, and other ports may", (_, frame) => {
    expect(verdict({ ...frame, ethSrc: other })).toBe("dropped");
    expect(verdict({ ...frame, inPort: 6 })).toBe("untouched");
    expect(verdict({ ...frame, inPort: 0xfffffffe })).toBe("untouched");
  });

  test("without addresses may ask for one, and speak by its link-local address", () => {
    const bare = flowsFor({ ...port, addresses: [] });
    expect(verdict(dhcp, bare)).toBe("passes");
    expect(verdict({ ...v6, ipv6Src: linkLocal }, bare)).toBe("passes");
    for (const frame of [arp, v4, v6, { ...arp, arpSpa: zero4, arpTpa: own4 }])
      expect(verdict(frame, bare)).toBe("dropped");
  });

  test("with several addresses may use each, also one that was told twice", () => {
    const more = flowsFor({ ...port, addresses: [own4, other4, own4, other6, linkLocal, linkLocal] });
    for (const frame of [
      v4,
      { ...v4, ipv4Src: other4 },
      { ...v6, ipv6Src: other6 },
      { ...na, ndTarget: other6, ipv6Src: other6 },
    ])
      expect(verdict(frame, more)).toBe("passes");
    expect(new Set(more.map(rowOf)).size).toBe(more.length);
  });
});

describe("flows of a port", () => {
  test("are its own: every one matches it, stands in table 0 and bears its cookie", () => {
    for (const flow of flows)
      expect(flow).toMatchObject({ table: 0, cookie: port.cookie, match: { inPort: 5 } });
    expect(new Set(flows.map(rowOf)).size).toBe(flows.length);
    expect(flows.length).toBe(35);
  });

  test("begin with the one that lets nothing pass", () => {
    expect(flows[0]).toMatchObject({ instructions: [], match: { inPort: 5 } });
    expect(Object.keys(flows[0]?.match ?? {})).toEqual(["inPort"]);
  });

  test("no two of one priority speak of one frame and differ", () => {
    const frames = [...PASS, ...DROPPED].map(([, frame]) => frame);
    for (const frame of frames) {
      const hits = flows.filter(({ match }) => matches(match, frame));
      const best = Math.max(...hits.map(({ priority }) => priority));
      const outcomes = hits
        .filter(({ priority }) => priority === best)
        .map(({ instructions }) => instructions.length);
      expect(new Set(outcomes).size).toBe(1);
    }
  });

  test("of 200 ports are messages of some 150 bytes each", () => {
    const all = Array.from({ length: 200 }, (_, i) => flowsFor({ ...port, ofport: i + 1 })).flat();
    const sizes = all.map((flow) => 8 + encodeFlowMod({ do: "add", flow }).length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(168);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(1_200_000);
  });

  test.each([-1, 0, 1.5, 0xffffff00, 0xfffffffe, Number.NaN])("are not made for port %p", (ofport) => {
    expect(() => flowsFor({ ...port, ofport })).toThrow("flows for port");
  });
});

test("a cookie is ours, the same for the same owner, and fits 64 bits", () => {
  expect(cookieOf("docker:net/ep")).toBe(0x756e_64d0_ff9e_bf0cn);
  fc.assert(
    fc.property(fc.string(), fc.string(), (a, b) => {
      const cookie = cookieOf(a);
      expect(isOurCookie(cookie)).toBeTrue();
      expect(cookie >> 64n).toBe(0n);
      expect(cookie & OUR_COOKIE_MASK).toBe(OUR_COOKIE);
      expect(cookieOf(b) === cookie).toBe(a === b);
    }),
  );
  expect(isOurCookie(0n)).toBeFalse();
  expect(isOurCookie(0x756e_6500_0000_0000n)).toBeFalse();
});
