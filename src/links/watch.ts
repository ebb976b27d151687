import { isOurLinkName } from "../lib/ifname.ts";
import type { Log } from "../lib/log.ts";
import {
  decodeLink,
  ifinfomsg,
  isUp,
  LINK_EVENT,
  type PartOfLink,
  RTM_LINK,
  wantedOfLinks,
} from "../netlink/link.ts";
import { eachMessage, type Message } from "../netlink/message.ts";
import type { Wanted } from "../netlink/pick.ts";

/**
 * A change of a link in the netns that is watched. A link that moves away to another netns is `gone` here, too.
 * Without `news` the kernel says once more what it said last: it does so of a parent whenever a link on it comes or
 * goes, in whichever netns.
 */
export type LinkEvent =
  | ({ readonly kind: "gone" } & WatchedLink)
  | ({ readonly kind: "changed" } & LinkChange & WatchedLink)
  /** The kernel dropped events: whatever was known must be read again. */
  | { readonly kind: "overrun" };

export interface LinkChange {
  readonly up: boolean;
  readonly news: boolean;
  /**
   * All who are reached by the link are to tell their neighbours so: it has moved to another port, as with the failover
   * of a bond or a team, or with its virtual machine to another host.
   */
  readonly moved: boolean;
}

export interface WatchedLink {
  readonly name: string;
  readonly ifindex: number;
  /** The link that it hangs on, when that is in the same netns. */
  readonly parentIfindex?: number;
}

export type LinkListener = (event: LinkEvent) => void;

/** Hands link events on to whoever listens. */
export interface LinkWatch {
  subscribe(listener: LinkListener): { unsubscribe(): void };
}

/** The end that is fed with datagrams of an event socket. */
export interface LinkWatchSource extends LinkWatch {
  /** The attributes of a link that are looked at. */
  readonly wanted: Wanted;
  onEvent(datagram: Uint8Array): void;
  onOverrun(): void;
}

/** All that is looked at of a link, here and by those who judge parents: when none of it is another, nothing is new. */
const WATCHED = [
  "name",
  "link",
  "linkNetnsid",
  "altNames",
  "info",
  "carrier",
  "mtu",
  "address",
  "permAddress",
  "master",
  "event",
] as const;
type Watched = PartOfLink<(typeof WATCHED)[number]>;

export function linkWatch(log: Log): LinkWatchSource {
  const listeners = new Set<LinkListener>();
  const known = new Said();
  const tell = (event: LinkEvent) => {
    for (const listener of [...listeners]) listener(event);
  };
  return {
    wanted: wantedOfLinks(WATCHED),
    subscribe(listener) {
      listeners.add(listener);
      return { unsubscribe: () => void listeners.delete(listener) };
    },
    onEvent(datagram) {
      for (const message of eachMessage(datagram)) {
        const event = eventOf(message, known);
        if (event) tell(event);
      }
    },
    onOverrun() {
      known.clear();
      log("warn", "link events were lost; reading all links again");
      tell({ kind: "overrun" });
    },
  };
}

/** AF_BRIDGE: a bridge telling of its port; that a port left it is not the end of the link. */
const AF_BRIDGE = 7;

/** Nothing for messages that are not about links. */
function eventOf(message: Message, known: Said): LinkEvent | undefined {
  if (message.type !== RTM_LINK.RTM_NEWLINK && message.type !== RTM_LINK.RTM_DELLINK) return undefined;
  const link = decodeLink(message);
  const ofBridge = link.header.family === AF_BRIDGE;
  const watched = watchedLink(link);
  if (message.type === RTM_LINK.RTM_DELLINK && !ofBridge) {
    known.forget(watched.ifindex);
    return { kind: "gone", ...watched };
  }
  // Nobody asks for news of our own links, and there may be thousands.
  const news = ofBridge || isOurLinkName(watched.name) || known.isNew(watched.ifindex, message.body);
  const moved = !ofBridge && link.attrs.event === LINK_EVENT.IFLA_EVENT_NOTIFY_PEERS;
  return { kind: "changed", up: isUp(link), news, moved, ...watched };
}

function watchedLink({ header, attrs }: Watched): WatchedLink {
  const { name = "", link: parent, linkNetnsid } = attrs;
  const hangs = parent !== undefined && linkNetnsid === undefined;
  return { name, ifindex: header.index, ...(hangs && { parentIfindex: parent }) };
}

/** The last member of `ifinfomsg` says what this very message is about, not how the link is. */
const CHANGE = ifinfomsg.size - 4;

/** What the kernel said last of each link. */
class Said {
  readonly #bodies = new Map<number, Uint8Array>();

  isNew(ifindex: number, body: Uint8Array): boolean {
    const before = this.#bodies.get(ifindex);
    this.#bodies.set(ifindex, body);
    return before === undefined || !isSame(before, body, 0, CHANGE) || !isSame(before, body, ifinfomsg.size);
  }

  forget(ifindex: number): void {
    this.#bodies.delete(ifindex);
  }

  clear(): void {
    this.#bodies.clear();
  }
}

function isSame(one: Uint8Array, other: Uint8Array, from: number, until?: number): boolean {
  return Buffer.compare(one.subarray(from, until), other.subarray(from, until)) === 0;
}
