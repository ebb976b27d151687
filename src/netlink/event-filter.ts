import type { FilterStep } from "../sys/socket.ts";
import { ifinfomsg, linkTable, RTM_LINK } from "./link.ts";
import { nlmsghdr } from "./message.ts";

/**
 * A filter that the kernel runs before it queues an event, as classic BPF (`<linux/filter.h>`,
 * Documentation/networking/filter.rst). It loads numbers in network order; those of netlink are in the host's.
 */

const LOAD = { half: 0x28, byte: 0x30 } as const; // BPF_LD | BPF_ABS, with BPF_H or BPF_B
const JUMP = { equal: 0x15, atLeast: 0x35, above: 0x25 } as const; // BPF_JMP | BPF_K, with BPF_JEQ, BPF_JGE, BPF_JGT
const RETURN = 0x06; // BPF_RET | BPF_K

const DROP = 0;
const WHOLE = 0xffffffff;

/** Offsets in a link event. `rtnl_fill_ifinfo` puts the name first; where it did not, the event just passes. */
const MESSAGE_TYPE = 4;
const FIRST_ATTRIBUTE = nlmsghdr.size + ifinfomsg.size;
const ATTRIBUTE_TYPE = FIRST_ATTRIBUTE + 2;
const NAME = FIRST_ATTRIBUTE + 4;

/** The bytes that may stand at a place of a name, first and last of each range. */
export type ByteRanges = readonly (readonly [number, number])[];

/** A step whose jump for "no" is not counted yet: to the next range, or out of the filter. */
type Draft = Omit<FilterStep, "jt" | "jf"> & { readonly yes: Target; readonly no: Target };
/** So many steps on, or to the end where the event passes. */
type Target = number | "pass";

/** Drops what becomes of the links whose whole name has these bytes, except that they go. */
export function withoutChangesOf(name: readonly ByteRanges[]): FilterStep[] {
  const drafts = [
    ...is(LOAD.half, MESSAGE_TYPE, swapped(RTM_LINK.RTM_NEWLINK)),
    ...is(LOAD.half, ATTRIBUTE_TYPE, swapped(linkTable.name.type)),
    ...name.flatMap((ranges, i) => isIn(NAME + i, ranges)),
    ...is(LOAD.byte, NAME + name.length, 0),
  ];
  const steps = drafts.map(({ code, k, yes, no }, i) => {
    const count = (target: Target) => (target === "pass" ? drafts.length - i : target);
    return { code, jt: count(yes), jf: count(no), k };
  });
  return [...steps, { code: RETURN, jt: 0, jf: 0, k: DROP }, { code: RETURN, jt: 0, jf: 0, k: WHOLE }];
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
