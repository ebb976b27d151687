import type { Features } from "../../netlink/ethtool.ts";

/**
 * What a veth's end must not leave for later when the other end is a port of Open vSwitch's userspace datapath, which of
 * 3.1 at least sends frames with unfinished checksums on as they are. Segmentation needs the first and goes with it.
 */
export const FINISHED_CHECKSUMS: Features = {
  "tx-checksum-ip-generic": false,
  "tx-checksum-sctp": false,
};

/** Whether a bridge's `datapath_type` is the userspace datapath. */
export function isUserspace(datapathType: string): boolean {
  return datapathType === "netdev";
}
