/** A port of a bridge of Open vSwitch, as somebody asks for it. */

/** Columns `tag`, `trunks` and `vlan_mode` of OVSDB's Port, ovs-vswitchd.conf.db(5). */
export type SwitchVlans =
  /** Frames go out without a tag. VLAN 0: frames in none. */
  | { readonly mode: "access"; readonly vlan: number }
  /** Frames have their tags. `vlans` empty: all. `native`: of frames without a tag. */
  | { readonly mode: "trunk"; readonly vlans: readonly number[]; readonly native?: number };

/** Pairs of `external_ids`. */
export type ExternalIds = Readonly<Record<string, string>>;

export interface SwitchWish {
  /** Where the database listens: `unix:PATH` or `tcp:HOST:PORT`; absent: where packages have it. */
  readonly ovsdb?: string;
  /** Of whoever made it; it must be there. */
  readonly bridge: string;
  readonly vlans: SwitchVlans;
  /** The OpenFlow number that is asked for: 1 to 65279. */
  readonly ofport?: number;
  /** What the port's row and its interface's are known by: `owner` is ours alone, `network` that of the attachment. */
  readonly marks: { readonly owner: string; readonly network: string };
  /** What else is said of the port … */
  readonly portIds: ExternalIds;
  /** … and of its interface. */
  readonly interfaceIds: ExternalIds;
  /** Of ports that others made for the same attachment, and that go with it. */
  readonly othersMarks: readonly ExternalIds[];
  /** Milliseconds until the port has to be up. */
  readonly linkStatePatience: number;
}
