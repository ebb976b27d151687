/**
 * Whether the rules of others let pass what this host forwards for networks behind it. Gathered by
 * `links/nat/forward-look`, judged by `conditions`.
 */
export interface ForwardFacts {
  readonly blocked: readonly BlockedForward[];
  /** Links of which the older iptables is asked, too: it has a table filter, and what is in it is not read. */
  readonly unread: readonly string[];
}

/** A chain that sees what is forwarded, and that ends all of it that comes from a link or goes to it. */
export interface BlockedForward {
  readonly chain: { readonly family: string; readonly table: string; readonly chain: string };
  /** Has the gateways' addresses. */
  readonly link: string;
  /** `from`: what comes in by the link and goes elsewhere. `to`: what comes from elsewhere. */
  readonly way: "from" | "to";
  /** `policy drop`, `rule 3 of filter_FWD_public: reject`. */
  readonly by: string;
  /** Nothing of it passes. Else a rule before may let some pass, a protocol say. */
  readonly isAll: boolean;
  /** Which program the chain belongs to, as far as names tell. */
  readonly keeper: "ufw" | "firewalld" | "iptables" | "nobody";
}
