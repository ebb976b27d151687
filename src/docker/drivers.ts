import type { LinkKind } from "../lib/request.ts";

/** The names by which Docker knows us, each a socket of its own in its plugin folder, and the kinds behind them. */
export const DRIVERS: readonly { readonly name: string; readonly kind: LinkKind }[] = [
  { name: "underlay-macvlan", kind: "macvlan" },
  { name: "underlay-ipvlan", kind: "ipvlan" },
];
