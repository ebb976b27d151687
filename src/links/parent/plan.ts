import { sha256, toBase32 } from "../../lib/bytes.ts";
import { MAX_IFNAME } from "../../lib/ifname.ts";
import type { VlanProtocol } from "../../netlink/kinds/vlan.ts";
import type { ParentRef, SwitchRef } from "./ref.ts";

/** Which links have to be there for a parent, lowest first. Only those are ever made. */

export interface VlanLayer {
  readonly kind: "vlan";
  /** What the kernel calls it when we make it. */
  readonly name: string;
  /** What the user calls it, when that is too long for a name. */
  readonly altName?: string;
  /** Name or altname of the link that it hangs on. */
  readonly lower: string;
  readonly vid: number;
  readonly protocol: VlanProtocol;
  /** The protocol was asked for; one that is there already must have it. */
  readonly strict: boolean;
}

export interface DummyLayer {
  readonly kind: "dummy";
  readonly name: string;
}

/** A bridge of Open vSwitch, which has a link of its name. */
export interface SwitchLayer extends SwitchRef {
  readonly kind: "switch";
  /** Of whom it is made for first; others may come to it. */
  readonly network: string;
}

export type KernelLayer = VlanLayer | DummyLayer;
export type ParentLayer = KernelLayer | SwitchLayer;

/**
 * The links of a network's parent that are made when they are missing: one for each VLAN of the reference, outermost
 * first; a dummy of the network's own; or the bridge of a switch. `owner`: of the network.
 */
export function layersOf(ref: ParentRef, owner: string): readonly ParentLayer[] {
  if (ref.how === "dummy") return [{ kind: "dummy", name: dummyNameOf(owner) }];
  if (ref.how === "switch") {
    const { how: _, ...bridge } = ref;
    return [{ kind: "switch", ...bridge, network: owner }];
  }
  if (ref.how !== "vlan") return [];
  return ref.vids.map((vid, depth) => {
    const lower = [ref.link, ...ref.vids.slice(0, depth)].join(".");
    const protocol = (depth === 0 ? ref.protocol : undefined) ?? "802.1q";
    const strict = depth === 0 && ref.protocol !== undefined;
    return { kind: "vlan", ...namesOf(`${lower}.${vid}`), lower, vid, protocol, strict };
  });
}

/** By which name a layer is looked for. */
export function askedName(layer: ParentLayer): string {
  return layer.kind === "vlan" ? (layer.altName ?? layer.name) : layer.name;
}

/** Neither of these two is the name of an endpoint's link, which is deleted when no record speaks of it. */
function namesOf(asked: string): { readonly name: string; readonly altName?: string } {
  if (Buffer.byteLength(asked) <= MAX_IFNAME) return { name: asked };
  return { name: `ulp-${toBase32(sha256("parent", asked), 11)}`, altName: asked };
}

function dummyNameOf(owner: string): string {
  return `uld-${toBase32(sha256("dummy", owner), 11)}`;
}
