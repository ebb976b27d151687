import { text, u8, u32 } from "./codec.ts";
import type { Conversation } from "./conversation.ts";
import { GONE, isErrno } from "./failure.ts";
import { familyNumber, genlmsghdr } from "./genetlink.ts";
import { decodeBody, encodeBody, type Message } from "./message.ts";

/** Wi-Fi links: `<linux/nl80211.h>`. */

const NL80211_CMD_GET_INTERFACE = 5;
/** `enum nl80211_iftype`. */
const NL80211_IFTYPE_STATION = 2;

export const nl80211Table = {
  ifindex: { type: 3, symbol: "NL80211_ATTR_IFINDEX", codec: u32 },
  ifname: { type: 4, symbol: "NL80211_ATTR_IFNAME", codec: text },
  iftype: { type: 5, symbol: "NL80211_ATTR_IFTYPE", codec: u32 },
  fourAddress: { type: 83, symbol: "NL80211_ATTR_4ADDR", codec: u8 },
} as const;

export const nl80211Format = { header: genlmsghdr, table: nl80211Table } as const;

export interface WirelessLink {
  readonly type: "station" | "other";
  /** Frames carry four addresses (WDS), so MAC addresses behind the station survive. */
  readonly fourAddress: boolean;
}

/** What a link is in Wi-Fi terms; undefined for all other links, and on kernels without Wi-Fi. */
export async function wirelessLink(
  conversation: Conversation,
  ifindex: number,
): Promise<WirelessLink | undefined> {
  const family = await familyNumber(conversation, "nl80211");
  if (family === undefined) return undefined;
  try {
    const [message] = await conversation.request({
      what: `look up Wi-Fi link #${ifindex}`,
      type: family,
      flags: 0,
      body: encodeBody(nl80211Format, { cmd: NL80211_CMD_GET_INTERFACE }, { ifindex }),
      format: nl80211Format,
    });
    return message && decodeWireless(message);
  } catch (error) {
    if (isErrno(error, ...GONE)) return undefined;
    throw error;
  }
}

export function decodeWireless(message: Message): WirelessLink {
  const { iftype, fourAddress } = decodeBody(nl80211Format, message.body).attrs;
  return {
    type: iftype === NL80211_IFTYPE_STATION ? "station" : "other",
    fourAddress: fourAddress === 1,
  };
}
