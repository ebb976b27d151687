import type { Log } from "../lib/log.ts";
import { decodeLink, isUp, type PartOfLink, RTM_LINK, wantedOfLinks } from "../netlink/link.ts";
import { eachMessage } from "../netlink/message.ts";
import type { Wanted } from "../netlink/pick.ts";

/** A change of a link in the netns that is watched. A link that moves away to another netns is `gone` here, too. */
export type LinkEvent =
  | ({ readonly kind: "gone" } & WatchedLink)
  | ({ readonly kind: "changed"; readonly up: boolean } & WatchedLink)
  /** The kernel dropped events: whatever was known must be read again. */
  | { readonly kind: "overrun" };

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

const WATCHED = ["name", "link", "linkNetnsid"] as const;

export function linkWatch(log: Log): LinkWatchSource {
  const listeners = new Set<LinkListener>();
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
      for (const event of eventsOf(datagram)) tell(event);
    },
    onOverrun() {
      log("warn", "link events were lost; reading all links again");
      tell({ kind: "overrun" });
    },
  };
}

function eventsOf(datagram: Uint8Array): LinkEvent[] {
  return [...eachMessage(datagram)]
    .filter(({ type }) => type === RTM_LINK.RTM_NEWLINK || type === RTM_LINK.RTM_DELLINK)
    .map((message) => linkEvent(message.type, decodeLink(message)));
}

/** AF_BRIDGE: a bridge telling that a port left it, which is not the end of the link. */
const AF_BRIDGE = 7;

function linkEvent(type: number, link: PartOfLink<(typeof WATCHED)[number]>): LinkEvent {
  const { index: ifindex, family } = link.header;
  const { name = "", link: parent, linkNetnsid } = link.attrs;
  const hangs = parent !== undefined && linkNetnsid === undefined;
  const watched = { name, ifindex, ...(hangs && { parentIfindex: parent }) };
  if (type === RTM_LINK.RTM_DELLINK && family !== AF_BRIDGE) return { kind: "gone", ...watched };
  return { kind: "changed", up: isUp(link), ...watched };
}
