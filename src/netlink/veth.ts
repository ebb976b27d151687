import type { Mac } from "../lib/mac.ts";
import { encodeAttr } from "./attribute.ts";
import { linkFormat } from "./link.ts";
import type { LinkInfo } from "./link-info.ts";
import { encodeBody } from "./message.ts";

/** Veth pairs: `<linux/veth.h>`. */

const VETH_INFO_PEER = 1;

/** The other end, which is born with the one that the message is about. */
export interface VethPeer {
  readonly name: string;
  readonly mac?: Mac;
  readonly mtu?: number;
  /** Where; absent: where its twin is born. */
  readonly netnsFd?: number;
  /** Index of the bridge that it is a port of. */
  readonly master?: number;
}

/** Its IFLA_INFO_DATA holds a whole link message. */
export function vethInfo(peer: VethPeer): LinkInfo {
  const { name, mac, mtu, netnsFd, master } = peer;
  const body = encodeBody(
    linkFormat,
    {},
    {
      ...(mtu !== undefined && { mtu }),
      ...(mac !== undefined && { address: mac }),
      ...(master !== undefined && { master }),
      ...(netnsFd !== undefined && { netnsFd }),
      name,
    },
  );
  return { kind: "veth", rawData: encodeAttr(VETH_INFO_PEER, body) };
}
