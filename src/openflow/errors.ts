import { toHex } from "../lib/bytes.ts";
import { type Inputs, UnderlayError } from "../lib/errors.ts";
import { struct, u16, u32 } from "./codec.ts";
import { ERROR_TYPES, NX_ERRORS } from "./errors.table.ts";
import type { Message } from "./message.ts";

/** What a switch says against a request: `struct ofp_error_msg`, OpenFlow 1.4.1 section 7.5.4. */

const ofpError = struct({ type: u16, code: u16 });
const experimenter = struct({ type: u16, code: u16, vendor: u32 });

/** `enum ofp_error_type`: of those who extend OpenFlow. */
const OFPET_EXPERIMENTER = 0xffff;
/** Nicira's, now Open vSwitch's own. */
const NX_VENDOR_ID = 0x00002320;

export interface OfpError {
  /** `OFPET_BAD_MATCH`, or `#99` for a number without a name. */
  readonly type: string;
  /** `OFPBMC_BAD_PREREQ` */
  readonly code: string;
  /** The same for a person. */
  readonly words: string;
  /** At least the first 64 bytes of the message concerned; text when the type is OFPET_HELLO_FAILED. */
  readonly data: Uint8Array;
}

/** Body of an OFPT_ERROR; throws `kernel` when it cannot be one. */
export function decodeError(body: Uint8Array): OfpError {
  const { type, code } = ofpError.decode(body);
  if (type === OFPET_EXPERIMENTER) return experimenterError(body);
  const known = ERROR_TYPES[type];
  const [symbol = `#${code}`, words = `code ${code}`] = known?.codes[code] ?? [];
  return {
    type: known?.symbol ?? `#${type}`,
    code: symbol,
    words: `${known?.words ?? `error ${type}`}: ${words}`,
    data: body.slice(ofpError.size),
  };
}

function experimenterError(body: Uint8Array): OfpError {
  const { code, vendor } = experimenter.decode(body);
  const [symbol = `#${code}`, words = `code ${code}`] =
    vendor === NX_VENDOR_ID ? (NX_ERRORS[code] ?? []) : [];
  const whose = vendor === NX_VENDOR_ID ? "an error of Open vSwitch" : `an error of vendor ${vendor}`;
  return {
    type: "OFPET_EXPERIMENTER",
    code: symbol,
    words: `${whose}: ${words}`,
    data: body.slice(experimenter.size),
  };
}

/** `what`: what was asked for, "replace the flows of br0". */
export function asFailure(what: string, message: Message, inputs: Inputs = {}): UnderlayError {
  const { type, code, words, data } = decodeError(message.body);
  const isForbidden = code.endsWith("EPERM");
  return new UnderlayError(isForbidden ? "permission" : "kernel", `${what}: ${words} (${code})`, {
    inputs,
    kernelText: `${type} ${code} ${toHex(data.subarray(0, 64))}`,
  });
}
