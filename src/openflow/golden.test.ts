import { describe, expect, test } from "bun:test";
import { fromHex, toHex } from "../lib/bytes.ts";
import { type Ip, parseIp } from "../lib/ip.ts";
import { type Mac, parseMac } from "../lib/mac.ts";
import { bundleAdd, bundleControl } from "./bundle.ts";
import { decodeError } from "./errors.ts";
import { ALL_BITS, decodeFlowMod, encodeFlowMod, type Flow, type FlowMod } from "./flow-mod.ts";
import { helloMessage, negotiated, versionsOf } from "./hello.ts";
import { DROP, type Instruction, NORMAL } from "./instruction.ts";
import type { Match } from "./match.ts";
import { eachMessage, encodeMessage, type Message } from "./message.ts";
import { flowsIn, flowsRequest, hasMore, portsIn, portsRequest } from "./multipart.ts";
import { OFP_VERSION, OFPP, OFPT, OFPVID_PRESENT } from "./numbers.ts";
import { openflowGolden as golden } from "./openflow.golden.ts";
import { decodePortStatus, decodePorts } from "./ports.ts";

/**
 * Our tables against what ovs-ofctl sends and what ovs-vswitchd answers. The values are written by hand from the command, the
 * bytes are captured: neither knows our encoder.
 */

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("a value of the test itself does not parse");
  return value;
}
const mac = (text: string): Mac => known(parseMac(text));
const ip = (text: string): Ip => known(parseIp(text));

const own = mac("02:00:00:00:00:05");
const cookie = 0x756e_6400_0000_0001n;
const at5 = { inPort: 5 };
const mine = { inPort: 5, ethSrc: own };
const arp = { ethType: 0x0806 };
const v4 = { ethType: 0x0800 };
const v6 = { ethType: 0x86dd };
const toTable: readonly Instruction[] = [{ do: "goto", table: 10 }];
const viaTable: readonly Instruction[] = [{ do: "apply", actions: [{ do: "resubmit", table: 10 }] }];

const add = (priority: number, match: Match, instructions: readonly Instruction[] = NORMAL): FlowMod => ({
  do: "add",
  flow: { table: 0, priority, cookie, match, instructions },
});

const MODS = {
  dropPort: add(40_000, at5, DROP),
  dropPort13: add(40_000, at5, DROP),
  normalMac: add(1, { ...mine, ethDst: mac("ff:ff:ff:ff:ff:ff") }),
  arp: add(40_010, {
    ...mine,
    ...arp,
    arpOp: 1,
    arpSpa: ip("192.0.2.5"),
    arpTpa: ip("192.0.2.1"),
    arpSha: own,
    arpTha: mac("00:00:00:00:00:00"),
  }),
  ipv4: add(40_010, { ...mine, ...v4, ipv4Src: ip("192.0.2.5"), ipv4Dst: ip("192.0.2.1") }),
  udp: add(40_010, { ...mine, ...v4, ipv4Src: ip("0.0.0.0"), ipProto: 17, udpSrc: 68, udpDst: 67 }),
  tcp: add(40_010, { ...at5, ...v4, ipProto: 6, tcpSrc: 1024, tcpDst: 80 }),
  ipv6: add(40_010, { ...mine, ...v6, ipv6Src: ip("fd00::5"), ipv6Dst: ip("fd00::1") }),
  udp6: add(40_020, { ...at5, ...v6, ipProto: 17, udpSrc: 547, udpDst: 546 }, DROP),
  routerAdvertisement: add(40_020, { ...at5, ...v6, ipProto: 58, icmpv6Type: 134, icmpv6Code: 0 }, DROP),
  solicitation: add(40_030, {
    ...{ ...mine, ...v6, ipProto: 58, ipv6Src: ip("fd00::5") },
    ...{ icmpv6Type: 135, ndTarget: ip("fd00::1"), ndSll: own },
  }),
  advertisement: add(40_030, {
    ...{ ...mine, ...v6, ipProto: 58, ipv6Src: ip("fd00::5") },
    ...{ icmpv6Type: 136, ndTarget: ip("fd00::5"), ndTll: own },
  }),
  tagged: add(7, { vlanVid: OFPVID_PRESENT | 100 }),
  untagged: add(7, { vlanVid: 0 }),
  gotoTable: add(7, { inPort: OFPP.OFPP_LOCAL }, toTable),
  resubmit: add(8, { inPort: OFPP.OFPP_LOCAL }, viaTable),
  maskedSource: add(9, {
    ...v4,
    // OXM_OF_IPV4_SRC_W, which has no name in the table.
    other: [{ header: 0x800017, payload: fromHex("c0000200ffffff00") }],
  }),
  deleteByCookie: { do: "delete by cookie", cookie, mask: ALL_BITS },
  deleteStrictly: { do: "delete strictly", flow: { table: 0, priority: 40_000, cookie, match: at5 } },
} as const satisfies Partial<Record<keyof typeof golden, FlowMod>>;

function only(hex: readonly string[]): Message {
  const [message, ...rest] = hex.flatMap((text) => eachMessage(fromHex(text)));
  expect(rest).toEqual([]);
  return known(message);
}

const V14 = OFP_VERSION["1.4"];
const message = (type: number, body: Uint8Array, version: number = V14): string =>
  toHex(encodeMessage({ version, type, xid: 0, body }));

describe("what ovs-ofctl sends, we send byte for byte:", () => {
  test.each(Object.keys(MODS) as (keyof typeof MODS)[])("flow %s", (name) => {
    const version = name.endsWith("13") ? OFP_VERSION["1.3"] : V14;
    expect([message(OFPT.OFPT_FLOW_MOD, encodeFlowMod(MODS[name]), version)]).toEqual([...golden[name].sent]);
  });

  test.each([
    ["HELLO", golden.hello.sent, toHex(encodeMessage(helloMessage(0)))],
    ["an ECHO request", golden.echo.sent, message(OFPT.OFPT_ECHO_REQUEST, new Uint8Array())],
    ["a barrier", golden.barrier.sent, message(OFPT.OFPT_BARRIER_REQUEST, new Uint8Array())],
    [
      "a request for flows",
      golden.flowsRequest.sent,
      message(OFPT.OFPT_MULTIPART_REQUEST, flowsRequest(0x756e_6400_0000_0000n, 0xffff_ff00_0000_0000n)),
    ],
    ["a request for ports", golden.portsRequest.sent, message(OFPT.OFPT_MULTIPART_REQUEST, portsRequest())],
  ])("%s", (_, sent, ours) => {
    expect([ours]).toEqual([...sent]);
  });

  test("a bundle", () => {
    const inner = { version: V14, type: OFPT.OFPT_FLOW_MOD, xid: 0, body: encodeFlowMod(MODS.dropPort) };
    expect([
      message(OFPT.OFPT_BUNDLE_CONTROL, bundleControl(0, "OFPBCT_OPEN_REQUEST")),
      toHex(encodeMessage(bundleAdd(0, inner))),
      message(OFPT.OFPT_BUNDLE_CONTROL, bundleControl(0, "OFPBCT_COMMIT_REQUEST")),
    ]).toEqual([...golden.bundle.sent]);
  });
});

describe("what ovs-ofctl sends is read as it was meant:", () => {
  const added = Object.entries(MODS).flatMap(([name, mod]) =>
    mod.do === "add" ? [[name as keyof typeof MODS, mod.flow as Flow] as const] : [],
  );
  test.each(added)("flow %s", (name, flow) => {
    const { match, instructions, header } = decodeFlowMod(only(golden[name].sent).body);
    expect({ match, instructions }).toEqual({ match: flow.match, instructions: [...flow.instructions] });
    expect(header).toMatchObject({ cookie, priority: flow.priority, table: 0 });
  });
});

describe("what ovs-vswitchd answers is read:", () => {
  test("the flows that were added, those that replaced another, and none", () => {
    const reply = only(golden.flows.received);
    expect(hasMore(reply)).toBeFalse();
    const flows = flowsIn(reply.body);
    const wanted = Object.values(MODS).flatMap((mod) => (mod.do === "add" ? [mod.flow] : []));
    // Both of dropPort are one row; the barriers' flow took the place of gotoTable, and has no cookie of ours.
    expect(flows).toHaveLength(wanted.length - 2);
    for (const { packets, bytes, ...flow } of flows) {
      expect(wanted).toContainEqual({ ...flow, instructions: flow.instructions });
      expect(bytes >= packets).toBeTrue();
    }
    expect(flowsIn(only(golden.noFlows.received).body)).toEqual([]);
  });

  test.each([
    ["1.3", golden.ports13.received],
    ["1.4", golden.ports.received],
  ] as const)("ports in %s", (version, received) => {
    expect(decodePorts(portsIn(only(received).body), OFP_VERSION[version])).toEqual([
      { number: OFPP.OFPP_LOCAL, name: "br0", mac: mac("02:00:00:00:00:0a") },
      { number: 5, name: "p5", mac: own },
    ]);
  });

  test("a port that came, and changed", () => {
    const told = golden.portAdded.received.map((hex) => decodePortStatus(only([hex]).body, V14));
    const port = { number: 6, name: "p6", mac: mac("02:00:00:00:00:06") };
    expect(told).toEqual([
      { reason: "added", port },
      { reason: "modified", port },
    ]);
  });

  test("its HELLO, and the one of a bridge that speaks 1.0 alone", () => {
    expect(negotiated(only(golden.helloReply.received))).toBe(V14);
    expect(negotiated(only(golden.hello.sent))).toBe(V14);
    expect([...versionsOf(only(golden.hello.sent))]).toEqual([4, 5]);
    expect(negotiated(only(golden.oldHello.received))).toBeUndefined();
  });

  test.each([
    [
      golden.overlap.received,
      "OFPET_FLOW_MOD_FAILED",
      "OFPFMFC_OVERLAP",
      "a flow was refused: it overlaps another one",
    ],
    [
      golden.noSuchGroup.received,
      "OFPET_BAD_ACTION",
      "OFPBAC_BAD_OUT_GROUP",
      "an action was refused: a group that there is not",
    ],
    [
      golden.helloFailed.sent,
      "OFPET_HELLO_FAILED",
      "OFPHFC_INCOMPATIBLE",
      "no common language: no version that both speak",
    ],
  ])("an error %#", (bytes, type, code, words) => {
    expect(decodeError(only(bytes).body)).toMatchObject({ type, code, words });
  });
});
