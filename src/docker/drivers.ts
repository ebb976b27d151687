import type { LinkKind } from "../lib/request.ts";

export interface Driver {
  readonly name: string;
  readonly kind: LinkKind;
  /** It is another's name, which we answer to unless that one does. */
  readonly isAlias?: true;
}

/** The names by which Docker knows us, each a socket of its own in its plugin folder, and the kinds behind them. */
export const DRIVERS: readonly Driver[] = [
  { name: "underlay-macvlan", kind: "macvlan" },
  { name: "underlay-ipvlan", kind: "ipvlan" },
  { name: "underlay-ovs", kind: "ovs" },
  { name: "ovs", kind: "ovs", isAlias: true },
];
