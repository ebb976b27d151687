import { type Problem, UnderlayError } from "../../lib/errors.ts";
import { ifnameProblem, MAX_IFNAME } from "../../lib/ifname.ts";
import type { Reading } from "../../lib/options.ts";
import { quote } from "../../lib/quote.ts";
import type { VlanProtocol } from "../../netlink/kinds/vlan.ts";

/**
 * What a user means by `parent`. Docker's own driver reads `eth0.50` as a VLAN whenever no such link exists;
 * so does this, but the name always wins over its reading.
 */
export type ParentRef =
  /** A link by its name or one of its altnames. */
  | { readonly how: "name"; readonly name: string }
  /** The link of the default route. */
  | { readonly how: "auto" }
  /** The link called `name` if there is one, else the VLANs `vids` (outermost first) on `link`. */
  | {
      readonly how: "vlan";
      readonly link: string;
      readonly vids: readonly number[];
      readonly name: string;
      /** Of the outermost VLAN, when it was asked for: `-o vlan_protocol`. */
      readonly protocol?: VlanProtocol;
    }
  /** No parent was given: a dummy of ours, reachable from this host only. */
  | { readonly how: "dummy" }
  /** A bridge of Open vSwitch: the port of its own name. */
  | ({ readonly how: "switch" } & SwitchRef);

/** A bridge, and what it is made with; that of one which is there already is left as it is. */
export interface SwitchRef {
  readonly name: string;
  readonly datapath?: Datapath;
  /** Bytes, of its own link. */
  readonly mtu: number;
  /** Bridges of other hosts are one network with it, and have one gateway. */
  readonly isSharedGateway?: true;
}

/** Who forwards its frames: the kernel's module, or vswitchd itself. `datapath_type` of ovs-vswitchd.conf.db(5). */
export type Datapath = "system" | "netdev";

/** The name of one link, where the reference is one; `auto` and none are not. */
export function nameAsked(ref: ParentRef): string | undefined {
  return "name" in ref ? ref.name : undefined;
}

/** ALTIFNAMSIZ of `<linux/if.h>` less the final NUL. */
const MAX_ALTNAME = 127;
/** IEEE 802.1Q: 0 is "no VLAN", 4095 is reserved. */
const [FIRST_VID, LAST_VID] = [1, 4094] as const;
const MOST_TAGS = 2;

/** Reads the value of `-o parent=`. Whether such a link exists is not known here. */
export function parseParent(text: string): Reading<ParentRef> {
  const problem = parentNameProblem(text);
  if (problem !== undefined) return { problem };
  if (text === "auto") return { value: { how: "auto" } };
  const vlan = readVlanName(text);
  if (vlan === undefined || "problem" in vlan) return { value: { how: "name", name: text } };
  return { value: { how: "vlan", ...vlan, name: text } };
}

/** Altnames may be longer than names, but forbid the same characters. */
function parentNameProblem(name: string): string | undefined {
  if (Buffer.byteLength(name) <= MAX_IFNAME) return ifnameProblem(name);
  if (Buffer.byteLength(name) > MAX_ALTNAME)
    return `${quote(name)} is longer than the ${MAX_ALTNAME} bytes of a link's altname`;
  return /[/:\s\0]/.test(name) ? `${quote(name)} has a slash, colon, NUL or white space in it` : undefined;
}

type VlanName = { readonly link: string; readonly vids: readonly number[] };

/** `eth0.50` or `eth0.10.20` taken apart; a problem when it nearly is one; undefined when nothing in it says VLAN. */
export function readVlanName(name: string): VlanName | { readonly problem: string } | undefined {
  if (!name.includes(".")) return undefined;
  const parts = name.split(".");
  const firstTag = Math.max(1, parts.findLastIndex((part) => !/^\d+$/.test(part)) + 1);
  const [link, tags] = [parts.slice(0, firstTag).join("."), parts.slice(firstTag)];
  if (link === "")
    return { problem: `${quote(name)} names no link before its VLAN id; write it like eth0.10` };
  if (tags.length === 0) {
    return {
      problem: `${quote(parts.at(-1) ?? "")} in ${quote(name)} is no VLAN id; write it like eth0.10 for VLAN 10`,
    };
  }
  if (tags.length > MOST_TAGS) {
    return {
      problem: `${quote(name)} has ${tags.length} VLAN ids; one (eth0.10) or two (eth0.10.20) can be stacked`,
    };
  }
  const wrong = tags.find((tag) => tag !== String(Number(tag)) || !isVid(Number(tag)));
  if (wrong !== undefined) {
    return { problem: `VLAN id must be ${FIRST_VID} to ${LAST_VID}, ${quote(name)} has ${wrong}` };
  }
  return { link, vids: tags.map(Number) };
}

function isVid(number: number): boolean {
  return number >= FIRST_VID && number <= LAST_VID;
}

/**
 * What to say at create when no link answers to the reference, beyond "it does not exist" (condition UL-P01): why its
 * name cannot be a VLAN either. Undefined when there is nothing to add.
 */
export function missingParentError(ref: ParentRef): UnderlayError | undefined {
  if (ref.how !== "name") return undefined;
  const vlan = readVlanName(ref.name);
  if (vlan === undefined || !("problem" in vlan)) return undefined;
  const message = `no link is called ${ref.name}, and as a VLAN: ${vlan.problem}`;
  const problems: Problem[] = [{ subject: "parent", message }];
  return new UnderlayError("invalid_option", message, { problems });
}
