import { expect, test } from "bun:test";
import { formatIp, type Ip, parseIp } from "../../../lib/ip.ts";
import { deriveMac } from "../../../lib/mac.ts";
import { linkLocalOf } from "../../../lib/ndp.ts";
import { rowOf } from "../../../openflow/flow-mod.ts";
import { formatMatch } from "../../../openflow/match.ts";
import { tunnelFlows } from "./tunnel-flows.ts";

const ip = (text: string): Ip => {
  const value = parseIp(text);
  if (value === undefined) throw new Error(`no address: ${text}`);
  return value;
};
const mac = deriveMac("ovs gateway");
const gateway = { mac, addresses: [ip("10.7.0.254"), ip("fd00:7::fe")] };

test("what concerns the gateway is dropped where it leaves a tunnel, and nothing else", () => {
  const flows = tunnelFlows({ ofport: 9, gateway, cookie: 7n });
  const nd = (type: number, target: Ip) =>
    formatMatch({ inPort: 9, ethType: 0x86dd, ipProto: 58, icmpv6Type: type, ndTarget: target });
  const arp = { inPort: 9, ethType: 0x0806 };
  const local = linkLocalOf(mac);
  expect(flows.map(({ match }) => formatMatch(match))).toEqual([
    formatMatch({ inPort: 9, ethSrc: mac }),
    formatMatch({ inPort: 9, ethDst: mac }),
    nd(135, local),
    nd(136, local),
    formatMatch({ ...arp, arpTpa: ip("10.7.0.254") }),
    formatMatch({ ...arp, arpSpa: ip("10.7.0.254") }),
    nd(135, ip("fd00:7::fe")),
    nd(136, ip("fd00:7::fe")),
  ]);
  for (const flow of flows) expect(flow).toMatchObject({ table: 0, cookie: 7n, instructions: [] });
  expect(new Set(flows.map(rowOf)).size).toBe(flows.length);
  expect(formatIp(local)).toStartWith("fe80::");
});

test("the bridge itself is no tunnel", () => {
  expect(() => tunnelFlows({ ofport: 0xfffffffe, gateway, cookie: 7n })).toThrow("flows for port");
});
