import type { Mac } from "../lib/mac.ts";
import { macAddress, malformed, struct, u8, u16, u32 } from "./codec.ts";
import { OFP_VERSION, OFPPR, type OfpVersion } from "./numbers.ts";

/** The switch's ports: `struct ofp_port`, section 7.2.1 of OpenFlow 1.3.5 and of 1.4.1, which differ. */

export interface Port {
  /** OpenFlow's number, `ofport` of the database; the bridge itself is OFPP_LOCAL. */
  readonly number: number;
  /** At most 15 bytes. */
  readonly name: string;
  readonly mac: Mac;
}

const NAME_BYTES = 16;

/** What both versions begin with: the number, then 4 bytes of padding, of which 1.4 has made a length and padding. */
const head = struct({ number: u32, length: u16, pad: u16 });
const MAC_AT = head.size;
const NAME_AT = MAC_AT + macAddress.size + 2;
/** In 1.3: configuration, state, features and speeds follow. */
const PORT_BYTES_13 = 64;
/** In 1.4: configuration and state, then properties. */
const LEAST_BYTES_14 = 40;

const fromUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Descriptions that follow one another, as an answer to OFPMP_PORT_DESC has them. */
export function decodePorts(bytes: Uint8Array, version: OfpVersion): Port[] {
  const ports: Port[] = [];
  for (let at = 0; at < bytes.length; ) {
    const rest = bytes.subarray(at);
    const length = lengthOf(rest, version);
    if (length > rest.length) throw malformed(`a port of ${length} bytes in ${rest.length}`);
    ports.push(portOf(rest.subarray(0, length)));
    at += length;
  }
  return ports;
}

function lengthOf(bytes: Uint8Array, version: OfpVersion): number {
  if (version === OFP_VERSION["1.3"]) return PORT_BYTES_13;
  const { length } = head.decode(bytes);
  if (length < LEAST_BYTES_14) throw malformed(`a port of ${length} bytes`);
  return length;
}

function portOf(bytes: Uint8Array): Port {
  const name = bytes.subarray(NAME_AT, NAME_AT + NAME_BYTES);
  const end = name.indexOf(0);
  return {
    number: head.decode(bytes).number,
    name: fromUtf8.decode(end === -1 ? name : name.subarray(0, end)),
    mac: macAddress.decode(bytes.subarray(MAC_AT, MAC_AT + macAddress.size)),
  };
}

/** `struct ofp_port_status`, section 7.4.3: a port came, went or changed. */
const portStatus = struct({ reason: u8, pad1: u8, pad2: u16, pad3: u32 });

const REASONS = new Map<number, PortStatus["reason"]>([
  [OFPPR.OFPPR_ADD, "added"],
  [OFPPR.OFPPR_DELETE, "deleted"],
  [OFPPR.OFPPR_MODIFY, "modified"],
]);

export interface PortStatus {
  readonly reason: "added" | "deleted" | "modified";
  readonly port: Port;
}

/** Body of an OFPT_PORT_STATUS; throws `kernel` when it cannot be one. */
export function decodePortStatus(body: Uint8Array, version: OfpVersion): PortStatus {
  const { reason } = portStatus.decode(body);
  const known = REASONS.get(reason);
  const [port, ...others] = decodePorts(body.subarray(portStatus.size), version);
  if (known === undefined || port === undefined || others.length > 0)
    throw malformed(`the status ${reason} of ${others.length + (port ? 1 : 0)} ports`);
  return { reason: known, port };
}
