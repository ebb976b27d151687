import { concatBytes } from "../lib/bytes.ts";
import { malformed, struct, u8, u16, u32, u64 } from "./codec.ts";
import type { Flow } from "./flow-mod.ts";
import { decodeInstructions } from "./instruction.ts";
import { decodeMatch, encodeMatch, type Match } from "./match.ts";
import type { Message } from "./message.ts";
import { OFPG_ANY, OFPMP, OFPMPF_REPLY_MORE, OFPP, OFPTT_ALL } from "./numbers.ts";

/** Requests with long answers, which come in several messages: OpenFlow 1.4.1 section 7.3.5. */

/** `struct ofp_multipart_request` and `struct ofp_multipart_reply`. */
export const ofpMultipart = struct({ type: u16, flags: u16, pad: u32 });

/** Whether more messages of the same answer follow. */
export function hasMore({ body }: Message): boolean {
  return (ofpMultipart.decode(body).flags & OFPMPF_REPLY_MORE) !== 0;
}

function partOf(body: Uint8Array, type: number): Uint8Array {
  const header = ofpMultipart.decode(body);
  if (header.type !== type) throw malformed(`an answer of type ${header.type} to a request of type ${type}`);
  return body.subarray(ofpMultipart.size);
}

/** `struct ofp_flow_stats_request`, section 7.3.5.2. */
export const ofpFlowStatsRequest = struct({
  table: u8,
  pad1: u8,
  pad2: u16,
  outPort: u32,
  outGroup: u32,
  pad3: u32,
  cookie: u64,
  cookieMask: u64,
});

/** `struct ofp_flow_stats`; its length counts match and instructions behind it. */
export const ofpFlowStats = struct({
  length: u16,
  table: u8,
  pad1: u8,
  durationSec: u32,
  durationNsec: u32,
  priority: u16,
  idleTimeout: u16,
  hardTimeout: u16,
  flags: u16,
  importance: u16,
  pad2: u16,
  cookie: u64,
  packetCount: u64,
  byteCount: u64,
});

/** A flow as the switch has it. */
export interface InstalledFlow extends Flow {
  /** Frames that it has matched. */
  readonly packets: bigint;
  readonly bytes: bigint;
}

/**
 * Body of the request for all flows, of all tables, whose cookie is the same in the bits of the mask and which match no
 * more than `within`.
 */
export function flowsRequest(cookie: bigint, cookieMask: bigint, within: Match = {}): Uint8Array {
  const any = { table: OFPTT_ALL, outPort: OFPP.OFPP_ANY, outGroup: OFPG_ANY };
  return concatBytes([
    ofpMultipart.encode({ type: OFPMP.OFPMP_FLOW }),
    ofpFlowStatsRequest.encode({ ...any, cookie, cookieMask }),
    encodeMatch(within),
  ]);
}

/** The flows in one message of the answer. */
export function flowsIn(body: Uint8Array): InstalledFlow[] {
  const bytes = partOf(body, OFPMP.OFPMP_FLOW);
  const flows: InstalledFlow[] = [];
  for (let at = 0; at < bytes.length; ) {
    const entry = ofpFlowStats.decode(bytes.subarray(at));
    if (entry.length < ofpFlowStats.size || entry.length > bytes.length - at)
      throw malformed(`a flow of ${entry.length} bytes in ${bytes.length - at}`);
    const rest = bytes.subarray(at + ofpFlowStats.size, at + entry.length);
    const { match, size } = decodeMatch(rest);
    const { table, priority, cookie, packetCount, byteCount } = entry;
    const instructions = decodeInstructions(rest.subarray(size));
    flows.push({ table, priority, cookie, match, instructions, packets: packetCount, bytes: byteCount });
    at += entry.length;
  }
  return flows;
}

/** Body of the request for all ports, `OFPMP_PORT_DESC`. */
export function portsRequest(): Uint8Array {
  return ofpMultipart.encode({ type: OFPMP.OFPMP_PORT_DESC });
}

/** The descriptions in one message of the answer, which `ports.ts` reads. */
export function portsIn(body: Uint8Array): Uint8Array {
  return partOf(body, OFPMP.OFPMP_PORT_DESC);
}
