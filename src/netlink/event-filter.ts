import type { FilterStep } from "../sys/socket.ts";
import { ifinfomsg, linkTable, RTM_LINK } from "./link.ts";
import { nlmsghdr } from "./message.ts";

/**
 * A filter that the kernel runs before it queues an event, as classic BPF (`<linux/filter.h>`,
 * Documentation/networking/filter.rst). It loads numbers in network order; those of netlink are in the host's.
 */

const BPF = {
  BPF_LD: 0x00,
  BPF_JMP: 0x05,
  BPF_RET: 0x06,
  BPF_H: 0x08,
  BPF_B: 0x10,
  BPF_ABS: 0x20,
  BPF_JEQ: 0x10,
  BPF_JGT: 0x20,
  BPF_JGE: 0x30,
} as const;

const LOAD = {
  half: BPF.BPF_LD | BPF.BPF_H | BPF.BPF_ABS,
  byte: BPF.BPF_LD | BPF.BPF_B | BPF.BPF_ABS,
} as const;
const JUMP = {
  equal: BPF.BPF_JMP | BPF.BPF_JEQ,
  above: BPF.BPF_JMP | BPF.BPF_JGT,
  atLeast: BPF.BPF_JMP | BPF.BPF_JGE,
} as const;

/** How much of a datagram is kept. */
const VERDICT = { drop: 0, pass: 0xffffffff } as const;

/** Offsets in a link event. `rtnl_fill_ifinfo` puts the name first; where it did not, the event just passes. */
const firstAttribute = nlmsghdr.size + ifinfomsg.size;
const OFFSET = { messageType: 4, attributeType: firstAttribute + 2, name: firstAttribute + 4 } as const;

/** The bytes that may stand at a place of a name, first and last of each range. */
export type ByteRanges = readonly (readonly [number, number])[];

/** A step whose jump for "no" is not counted yet: to the next range, or out of the filter. */
type Draft = Omit<FilterStep, "jt" | "jf"> & { readonly yes: Target; readonly no: Target };
/** So many steps on, or to the end where the event passes. */
type Target = number | "pass";

/** Drops what becomes of the links whose whole name has these bytes, except that they go. */
export function withoutChangesOf(name: readonly ByteRanges[]): FilterStep[] {
  const drafts = [
    ...is(LOAD.half, OFFSET.messageType, swapped(RTM_LINK.RTM_NEWLINK)),
    ...is(LOAD.half, OFFSET.attributeType, swapped(linkTable.name.type)),
    ...name.flatMap((ranges, i) => isIn(OFFSET.name + i, ranges)),
    ...is(LOAD.byte, OFFSET.name + name.length, 0),
  ];
  const steps = drafts.map(({ code, k, yes, no }, i) => {
    const count = (target: Target) => (target === "pass" ? drafts.length - i : target);
    return { code, jt: count(yes), jf: count(no), k };
  });
  const verdicts = [VERDICT.drop, VERDICT.pass].map((k) => ({ code: BPF.BPF_RET, jt: 0, jf: 0, k }));
  return [...steps, ...verdicts];
}

/** Drops all datagrams but those whose first message is of this type. */
export function onlyOfType(type: number): FilterStep[] {
  return [
    { code: LOAD.half, jt: 0, jf: 0, k: OFFSET.messageType },
    { code: JUMP.equal, jt: 0, jf: 1, k: swapped(type) },
    { code: BPF.BPF_RET, jt: 0, jf: 0, k: VERDICT.pass },
    { code: BPF.BPF_RET, jt: 0, jf: 0, k: VERDICT.drop },
  ];
}

function is(load: number, at: number, value: number): Draft[] {
  return [
    { code: load, k: at, yes: 0, no: 0 },
    { code: JUMP.equal, k: value, yes: 0, no: "pass" },
  ];
}

function isIn(at: number, ranges: ByteRanges): Draft[] {
  const tests = ranges.flatMap(([first, last], i): Draft[] => {
    const left = ranges.length - 1 - i;
    return [
      { code: JUMP.atLeast, k: first, yes: 0, no: left === 0 ? "pass" : 1 },
      { code: JUMP.above, k: last, yes: left === 0 ? "pass" : 0, no: 2 * left },
    ];
  });
  return [{ code: LOAD.byte, k: at, yes: 0, no: 0 }, ...tests];
}

function swapped(half: number): number {
  return ((half & 0xff) << 8) | (half >> 8);
}
