import { concatBytes } from "../lib/bytes.ts";
import { struct, u8, u16, u32, u64 } from "./codec.ts";
import {
  decodeInstructions,
  encodeInstructions,
  formatInstructions,
  type Instruction,
} from "./instruction.ts";
import { decodeMatch, encodeMatch, formatMatch, type Match } from "./match.ts";
import { OFP_NO_BUFFER, OFPFC, OFPG_ANY, OFPP, OFPTT_ALL } from "./numbers.ts";

/** Changes of flow tables: `struct ofp_flow_mod`, OpenFlow 1.4.1 section 7.3.4.3. */

/** A row of a flow table. Of several that match a frame the one of the highest priority counts. */
export interface Flow {
  /** 0 is where every frame begins. */
  readonly table: number;
  /** 0 to 65535. */
  readonly priority: number;
  /** 64 bits that mean something to whoever made it. */
  readonly cookie: bigint;
  readonly match: Match;
  readonly instructions: readonly Instruction[];
}

export type FlowMod =
  /** Takes the place of the one with the same table, priority and match. */
  | { readonly do: "add"; readonly flow: Flow }
  /** This one, when its cookie is the same too. One that is not there is success, here and below. */
  | { readonly do: "delete strictly"; readonly flow: Omit<Flow, "instructions"> }
  /** All, in every table, whose cookie is the same in the bits of the mask. */
  | { readonly do: "delete by cookie"; readonly cookie: bigint; readonly mask: bigint };

export const ALL_BITS = 0xffff_ffff_ffff_ffffn;

export const ofpFlowMod = struct({
  cookie: u64,
  cookieMask: u64,
  table: u8,
  command: u8,
  idleTimeout: u16,
  hardTimeout: u16,
  priority: u16,
  bufferId: u32,
  outPort: u32,
  outGroup: u32,
  flags: u16,
  /** Padding in 1.3. */
  importance: u16,
});

/** OFP_DEFAULT_PRIORITY: means nothing there, and is what ovs-ofctl sends. */
const ANY_PRIORITY = 0x8000;
const ANY = { bufferId: OFP_NO_BUFFER, outPort: OFPP.OFPP_ANY, outGroup: OFPG_ANY } as const;

/** The body of an OFPT_FLOW_MOD; the same in 1.3 and 1.4. */
export function encodeFlowMod(mod: FlowMod): Uint8Array {
  if (mod.do === "add") {
    const { table, priority, cookie, match, instructions } = mod.flow;
    const head = ofpFlowMod.encode({ ...ANY, command: OFPFC.OFPFC_ADD, table, priority, cookie });
    return concatBytes([head, encodeMatch(match), encodeInstructions(instructions)]);
  }
  if (mod.do === "delete strictly") {
    const { table, priority, cookie, match } = mod.flow;
    const command = OFPFC.OFPFC_DELETE_STRICT;
    const head = ofpFlowMod.encode({ ...ANY, command, table, priority, cookie, cookieMask: ALL_BITS });
    return concatBytes([head, encodeMatch(match)]);
  }
  const { cookie, mask } = mod;
  const command = OFPFC.OFPFC_DELETE;
  const rows = { table: OFPTT_ALL, priority: ANY_PRIORITY };
  const head = ofpFlowMod.encode({ ...ANY, ...rows, command, cookie, cookieMask: mask });
  return concatBytes([head, encodeMatch({})]);
}

/** The fields, match and instructions of a body; throws `kernel` when it cannot be one. */
export function decodeFlowMod(body: Uint8Array) {
  const header = ofpFlowMod.decode(body);
  const { match, size } = decodeMatch(body.subarray(ofpFlowMod.size));
  return { header, match, instructions: decodeInstructions(body.subarray(ofpFlowMod.size + size)) };
}

/** What makes two flows one row of the tables: an `add` of the second takes the place of the first. */
export function rowOf({ table, priority, match }: Pick<Flow, "table" | "priority" | "match">): string {
  return `table=${table},priority=${priority},${formatMatch(match)}`;
}

/** The same with all the rest: two flows of the same text are the same. */
export function formatFlow(flow: Flow): string {
  return `cookie=0x${flow.cookie.toString(16)},${rowOf(flow)} ${formatInstructions(flow.instructions)}`;
}
