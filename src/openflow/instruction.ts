import { concatBytes, toHex } from "../lib/bytes.ts";
import { malformed, struct, u8, u16, u32 } from "./codec.ts";
import { OFPP } from "./numbers.ts";

/** What a flow does with a frame: `struct ofp_instruction` and `struct ofp_action`, OpenFlow 1.4.1 sections 7.2.4 and 7.2.5. */

/** An output to a port; OFPP_NORMAL is the switch's own learning and its VLANs. */
export interface Output {
  readonly do: "output";
  readonly port: number;
}

/** Goes on in another table, and comes back: an action of Open vSwitch, which stands in any table. */
export interface Resubmit {
  readonly do: "resubmit";
  readonly table: number;
}

/** An action or instruction that is not known here, as it stood in the message. */
export interface Unknown {
  readonly do: "unknown";
  readonly bytes: Uint8Array;
}

export type Action = Output | Resubmit | Unknown;

export type Instruction =
  | { readonly do: "apply"; readonly actions: readonly Action[] }
  | { readonly do: "goto"; readonly table: number }
  | Unknown;

export const NORMAL: readonly Instruction[] = [
  { do: "apply", actions: [{ do: "output", port: OFPP.OFPP_NORMAL }] },
];
/** No instruction: the frame goes nowhere. */
export const DROP: readonly Instruction[] = [];

/** `enum ofp_instruction_type`, `enum ofp_action_type`. */
const OFPIT_GOTO_TABLE = 1;
const OFPIT_APPLY_ACTIONS = 4;
const OFPAT_OUTPUT = 0;
const OFPAT_EXPERIMENTER = 0xffff;
/** `nicira-ext.h` of Open vSwitch: `struct nx_action_resubmit`; the port is OFPP_IN_PORT in 16 bits. */
const NX_VENDOR_ID = 0x00002320;
const NXAST_RESUBMIT_TABLE = 14;
const OFPP_IN_PORT_16 = 0xfff8;

const tlv = struct({ type: u16, length: u16 });
const gotoTable = struct({ type: u16, length: u16, table: u8, pad1: u8, pad2: u16 });
const applyActions = struct({ type: u16, length: u16, pad: u32 });
const output = struct({ type: u16, length: u16, port: u32, maxLen: u16, pad1: u16, pad2: u32 });
const resubmit = struct({
  type: u16,
  length: u16,
  vendor: u32,
  subtype: u16,
  inPort: u16,
  table: u8,
  pad1: u8,
  pad2: u16,
});

export function encodeInstructions(instructions: readonly Instruction[]): Uint8Array {
  return concatBytes(instructions.map(encodeInstruction));
}

function encodeInstruction(instruction: Instruction): Uint8Array {
  if (instruction.do === "unknown") return instruction.bytes;
  if (instruction.do === "goto")
    return gotoTable.encode({ type: OFPIT_GOTO_TABLE, length: gotoTable.size, table: instruction.table });
  const actions = concatBytes(instruction.actions.map(encodeAction));
  const length = applyActions.size + actions.length;
  return concatBytes([applyActions.encode({ type: OFPIT_APPLY_ACTIONS, length }), actions]);
}

function encodeAction(action: Action): Uint8Array {
  if (action.do === "unknown") return action.bytes;
  if (action.do === "output")
    return output.encode({ type: OFPAT_OUTPUT, length: output.size, port: action.port });
  return resubmit.encode({
    type: OFPAT_EXPERIMENTER,
    length: resubmit.size,
    vendor: NX_VENDOR_ID,
    subtype: NXAST_RESUBMIT_TABLE,
    inPort: OFPP_IN_PORT_16,
    table: action.table,
  });
}

export function decodeInstructions(bytes: Uint8Array): Instruction[] {
  return eachTlv(bytes).map(decodeInstruction);
}

function decodeInstruction(bytes: Uint8Array): Instruction {
  const { type } = tlv.decode(bytes);
  if (type === OFPIT_GOTO_TABLE) return { do: "goto", table: gotoTable.decode(bytes).table };
  if (type !== OFPIT_APPLY_ACTIONS) return { do: "unknown", bytes: bytes.slice() };
  return { do: "apply", actions: eachTlv(bytes.subarray(applyActions.size)).map(decodeAction) };
}

function decodeAction(bytes: Uint8Array): Action {
  const { type } = tlv.decode(bytes);
  if (type === OFPAT_OUTPUT) return { do: "output", port: output.decode(bytes).port };
  if (type === OFPAT_EXPERIMENTER && bytes.length === resubmit.size) {
    const { vendor, subtype, inPort, table } = resubmit.decode(bytes);
    const isOne = vendor === NX_VENDOR_ID && subtype === NXAST_RESUBMIT_TABLE && inPort === OFPP_IN_PORT_16;
    if (isOne) return { do: "resubmit", table };
  }
  return { do: "unknown", bytes: bytes.slice() };
}

/** Both are a type, a length that counts itself, and are whole eights. */
function eachTlv(bytes: Uint8Array): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const { length } = tlv.decode(bytes.subarray(at));
    if (length < 8 || length % 8 !== 0 || length > bytes.length - at)
      throw malformed(`an action or instruction of ${length} bytes in ${bytes.length - at}`);
    all.push(bytes.subarray(at, at + length));
    at += length;
  }
  return all;
}

/** For a person, and to know two for one: `apply(output:4294967290)`; `drop` where there is none. */
export function formatInstructions(instructions: readonly Instruction[]): string {
  return instructions.length === 0 ? "drop" : instructions.map(formatInstruction).join(",");
}

function formatInstruction(instruction: Instruction): string {
  if (instruction.do === "apply") return `apply(${instruction.actions.map(formatAction).join(",")})`;
  return instruction.do === "goto" ? `goto:${instruction.table}` : `#${toHex(instruction.bytes)}`;
}

function formatAction(action: Action): string {
  if (action.do === "output") return `output:${action.port}`;
  return action.do === "resubmit" ? `resubmit:${action.table}` : `#${toHex(action.bytes)}`;
}
