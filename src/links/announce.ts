import { arpAnnouncement } from "../lib/arp.ts";
import { ETHERTYPE } from "../lib/ethernet.ts";
import type { Ip } from "../lib/ip.ts";
import { unsolicitedAdvertisement } from "../lib/ndp.ts";
import type { Conversation } from "../netlink/conversation.ts";
import { getLink, isUp } from "../netlink/link.ts";
import type { Libc } from "../sys/libc.ts";
import { openPacketSocket } from "../sys/packet.ts";

/**
 * Tells all who are reached by a link, unasked, that these addresses are at its MAC. Of a link that is gone, down or
 * without a MAC nothing is told. Throws `permission` without CAP_NET_RAW, `kernel`.
 */
export type Announce = (ifindex: number, addresses: readonly Ip[]) => Promise<void>;

const FRAMES = [
  { family: 4, etherType: ETHERTYPE.arp, frameOf: arpAnnouncement },
  { family: 6, etherType: ETHERTYPE.ipv6, frameOf: unsolicitedAdvertisement },
] as const;

export function announceOn(libc: Libc, requests: Conversation): Announce {
  return async (ifindex, addresses) => {
    const link = await getLink(requests, { ifindex });
    const mac = link?.attrs.address;
    if (!link || !isUp(link) || typeof mac !== "string") return;
    for (const { family, etherType, frameOf } of FRAMES) {
      const ofFamily = addresses.filter((ip) => ip.family === family);
      if (ofFamily.length === 0) continue;
      using socket = openPacketSocket(libc, { ifindex, etherType });
      for (const ip of ofFamily) socket.send(frameOf(mac, ip));
    }
  };
}
