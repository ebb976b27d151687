import { type Attrs, attrReader, encodeAttrs, listOf } from "./attribute.ts";
import { struct, u8, u16, u32 } from "./codec.ts";
import type { Conversation } from "./conversation.ts";
import type { Request } from "./failure.ts";
import { ifinfomsg, linkFormat, RTM_LINK } from "./link.ts";
import type { LinkInfo } from "./link-info.ts";
import { decodeBody, encodeBody } from "./message.ts";

/** Bridges, their ports, and the VLANs of these: `<linux/if_link.h>`, `<linux/if_bridge.h>`. */

const AF_BRIDGE = 7;

export const bridgeTable = {
  vlanFiltering: { type: 7, symbol: "IFLA_BR_VLAN_FILTERING", codec: u8 },
} as const;

/** What is asked of a bridge that is made. */
export function bridgeInfo(data: Attrs<typeof bridgeTable>): LinkInfo {
  return { kind: "bridge", rawData: encodeAttrs(bridgeTable, data) };
}

const readBridge = attrReader(bridgeTable, "dropped");

/** What the kernel tells of one; undefined for a link that is none. */
export function bridgeOf(info: LinkInfo | undefined): Attrs<typeof bridgeTable> | undefined {
  if (info?.kind !== "bridge") return undefined;
  return "rawData" in info && info.rawData ? readBridge(info.rawData) : {};
}

/** `IFLA_INFO_SLAVE_DATA` of a bridge's port. */
export const bridgePortTable = {
  hairpin: { type: 4, symbol: "IFLA_BRPORT_MODE", codec: u8 },
  isolated: { type: 33, symbol: "IFLA_BRPORT_ISOLATED", codec: u8 },
} as const;

const IFLA_INFO_SLAVE_DATA = 5;
const PORT_KIND = "bridge";

/** The link has to be a port already. */
export function setBridgePortRequest(ifindex: number, data: Attrs<typeof bridgePortTable>): Request {
  const info: LinkInfo = {
    slaveKind: PORT_KIND,
    other: [{ type: IFLA_INFO_SLAVE_DATA, payload: encodeAttrs(bridgePortTable, data) }],
  };
  return {
    what: `change bridge port #${ifindex}`,
    type: RTM_LINK.RTM_NEWLINK,
    flags: 0,
    body: encodeBody(linkFormat, { index: ifindex }, { info }),
    format: linkFormat,
  };
}

const readPort = attrReader(bridgePortTable, "dropped");

/** What the kernel tells of a bridge's port; undefined for a link that is none. */
export function bridgePortOf(info: LinkInfo | undefined): Attrs<typeof bridgePortTable> | undefined {
  const raw = info?.other?.find(({ type }) => type === IFLA_INFO_SLAVE_DATA);
  return info?.slaveKind === PORT_KIND && raw ? readPort(raw.payload) : undefined;
}

export const BRIDGE_VLAN_INFO = {
  /** Frames without a tag are in it. */
  BRIDGE_VLAN_INFO_PVID: 0x02,
  /** It leaves the port without a tag. */
  BRIDGE_VLAN_INFO_UNTAGGED: 0x04,
} as const;

export const bridgeVlanInfo = struct({ flags: u16, vid: u16 });

/** IFLA_AF_SPEC of a message of AF_BRIDGE: one attribute a VLAN. */
const vlanFormat = {
  header: ifinfomsg,
  table: {
    vlans: {
      type: 26,
      symbol: "IFLA_AF_SPEC",
      codec: listOf({ type: 2, symbol: "IFLA_BRIDGE_VLAN_INFO", codec: bridgeVlanInfo }),
    },
    extMask: { type: 29, symbol: "IFLA_EXT_MASK", codec: u32 },
  },
} as const;

export interface PortVlan {
  readonly vid: number;
  readonly pvid?: boolean;
  readonly untagged?: boolean;
}

/** EOPNOTSUPP by a kernel whose bridges know no VLANs. */
export function addVlanRequest(ifindex: number, vlan: PortVlan): Request {
  return vlanRequest(`add VLAN ${vlan.vid} to bridge port #${ifindex}`, RTM_LINK.RTM_SETLINK, ifindex, vlan);
}

export function deleteVlanRequest(ifindex: number, vid: number): Request {
  return vlanRequest(`take VLAN ${vid} from bridge port #${ifindex}`, RTM_LINK.RTM_DELLINK, ifindex, { vid });
}

function vlanRequest(
  what: string,
  type: number,
  ifindex: number,
  { vid, pvid, untagged }: PortVlan,
): Request {
  const { BRIDGE_VLAN_INFO_PVID, BRIDGE_VLAN_INFO_UNTAGGED } = BRIDGE_VLAN_INFO;
  const flags = (pvid ? BRIDGE_VLAN_INFO_PVID : 0) | (untagged ? BRIDGE_VLAN_INFO_UNTAGGED : 0);
  const header = { family: AF_BRIDGE, index: ifindex };
  const body = encodeBody(vlanFormat, header, { vlans: [{ flags, vid }] });
  return { what, type, flags: 0, body, format: vlanFormat };
}

/** Of `<linux/rtnetlink.h>`. */
const RTEXT_FILTER_BRVLAN = 1 << 1;

/** The VLANs that a port of a bridge is in; none when it is none. Throws `kernel`. */
export async function listVlans(conversation: Conversation, ifindex: number): Promise<PortVlan[]> {
  const messages = await conversation.dump({
    what: "list the VLANs of bridge ports",
    type: RTM_LINK.RTM_GETLINK,
    flags: 0,
    body: encodeBody(vlanFormat, { family: AF_BRIDGE }, { extMask: RTEXT_FILTER_BRVLAN }),
    format: vlanFormat,
  });
  const ports = messages.map((message) => decodeBody(vlanFormat, message.body));
  const { vlans = [] } = ports.find(({ header }) => header.index === ifindex)?.attrs ?? {};
  const { BRIDGE_VLAN_INFO_PVID, BRIDGE_VLAN_INFO_UNTAGGED } = BRIDGE_VLAN_INFO;
  return vlans.map(({ vid = 0, flags = 0 }) => ({
    vid,
    pvid: (flags & BRIDGE_VLAN_INFO_PVID) !== 0,
    untagged: (flags & BRIDGE_VLAN_INFO_UNTAGGED) !== 0,
  }));
}
