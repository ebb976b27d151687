import { ifnameProblem } from "../../lib/ifname.ts";
import { commaList, type Reading } from "../../lib/options.ts";
import { type Peer, readPeer } from "../../lib/peer.ts";
import { quote } from "../../lib/quote.ts";

/** How single values of Open vSwitch networks are written, and what is wrong with those that are not. */

/** IEEE 802.1Q: 0 is "no VLAN", 4095 is reserved. */
export const [FIRST_VLAN, LAST_VLAN] = [1, 4094] as const;

/** RFC 7348: 24 bits; 0 is left to those who use none. */
export const [FIRST_VNI, LAST_VNI] = [1, 0xff_ffff] as const;

/** The port of RFC 7348. */
export const VXLAN_PORT = 4789;

const WORDS_VLANS = `VLAN ids are ${FIRST_VLAN} to ${LAST_VLAN}, written like 10,20,30-39, or all`;

/** `10,20,30-39` as ascending numbers, without repeats; `all` is an empty list, as in the column `trunks` of OVS. */
export function vlanList(text: string): Reading<readonly number[]> {
  if (text.trim() === "all") return { value: [] };
  const list = commaList(text);
  if ("problem" in list) return list;
  const ranges = list.value.map((word) => ({ word, range: vlanRange(word) }));
  const bad = ranges.find(({ range }) => range === undefined);
  if (bad) return { problem: `${quote(bad.word)} is no VLAN id or range of them; ${WORDS_VLANS}` };
  const ids = ranges.flatMap(({ range: [first, last] = [0, -1] }) =>
    Array.from({ length: last - first + 1 }, (_, i) => first + i),
  );
  return { value: [...new Set(ids)].sort((a, b) => a - b) };
}

function vlanRange(word: string): readonly [number, number] | undefined {
  const match = /^([1-9]\d{0,3})(?:-([1-9]\d{0,3}))?$/.exec(word);
  if (!match) return undefined;
  const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
  return first <= last && last <= LAST_VLAN ? [first, last] : undefined;
}

/** Decimal, as tc(8) has them. */
const UNITS: Readonly<Record<string, number>> = { kbit: 1e3, mbit: 1e6, gbit: 1e9 };
/** Below, one full frame takes longer than TCP waits; above, the 32 bits of the kernel's policer, in kbit/s, would hold but no link does. */
const [LEAST_RATE, MOST_RATE] = [64e3, 400e9] as const;

/** A rate with its unit, to bit/s: `800kbit`, `10mbit`, `2.5gbit`. */
export function bitRate(text: string): Reading<number> {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(kbit|mbit|gbit)$/i.exec(text);
  const rate = match
    ? Math.round(Number(match[1]) * (UNITS[(match[2] ?? "").toLowerCase()] ?? 0))
    : Number.NaN;
  if (rate >= LEAST_RATE && rate <= MOST_RATE) return { value: rate };
  const words =
    "is no rate from 64kbit to 400gbit; the units are kbit, mbit and gbit (a second), as in 10mbit";
  return { problem: `${quote(text)} ${words}` };
}

/** Addresses of other hosts, without repeats. Names are never looked up. */
export function peerList(text: string): Reading<readonly Peer[]> {
  const list = commaList(text);
  if ("problem" in list) return list;
  const read = list.value.map(readPeer);
  const bad = read.find((reading) => "problem" in reading);
  if (bad && "problem" in bad) return bad;
  return { value: [...new Set(read.flatMap((reading) => ("value" in reading ? [reading.value] : [])))] };
}

/** A name that the switch, and a link of the host, can have. */
export function linkName(text: string): Reading<string> {
  const problem = ifnameProblem(text);
  return problem === undefined ? { value: text } : { problem };
}

/** The host's link that joins a bridge to a LAN. */
export function uplinkName(text: string): Reading<string> {
  if (text === "lo")
    return { problem: '"lo" is the loopback, which leads nowhere; name a NIC, bond or VLAN of it' };
  return linkName(text);
}
