import { UnderlayError } from "../../lib/errors.ts";
import { contains, formatCidr, LINK_LOCAL } from "../../lib/ip.ts";
import { settleAll } from "../../lib/settle.ts";
import { listAddresses } from "../../netlink/address.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { getLink, IFF, type Link, setLinkRequest } from "../../netlink/link.ts";
import type { HostMover } from "./move/mover.ts";
import type { SwitchPorts } from "./ports.ts";
import { uplinkRows } from "./rows.ts";

/** A NIC of the host on a bridge. */
export interface SwitchUplinks {
  /**
   * The NIC is a port of the bridge, whoever made it one. Throws `conflict` when there is no such link, it is the loopback, on
   * another bridge or bond, or holds addresses of the host, which would stop working, and they are not to be moved, or
   * cannot be.
   */
  put(wish: UplinkWish): Promise<Uplink>;
  /** Takes one of ours off its bridge; the host has again on it what was moved. */
  remove(name: string): Promise<void>;
  /** The same of all that were put on the bridge for networks of ours. */
  removeAll(bridge: string): Promise<void>;
}

export interface UplinkWish {
  readonly network: string;
  readonly bridge: string;
  /** A name or an altname. */
  readonly name: string;
  /** What the host has on it moves to the bridge. */
  readonly migrate: boolean;
}

export interface Uplink {
  /** By which the kernel knows it. */
  readonly name: string;
  /** Bytes. */
  readonly mtu: number;
  /** False when it was a port of the bridge already. */
  readonly isNew: boolean;
}

export function switchUplinks(
  home: Conversation,
  ports: SwitchPorts,
  mover: Pick<HostMover, "move" | "movedTo" | "back">,
): SwitchUplinks {
  async function requireFit(link: Link, name: string, migrate: boolean): Promise<void> {
    const why = (await whyUnfit(link)) ?? (migrate ? undefined : await whyInUse(link));
    if (why !== undefined) throw conflict(name, why);
  }

  async function whyUnfit({ header, attrs }: Link): Promise<string | undefined> {
    if (header.flags & IFF.IFF_LOOPBACK) return "is a loopback, which leads nowhere";
    if (attrs.master === undefined) return undefined;
    const master = await getLink(home, { ifindex: attrs.master });
    const kind = master?.attrs.info?.kind;
    return `is a port of ${master?.attrs.name ?? `#${attrs.master}`}${kind === undefined ? "" : ` (${kind})`} already`;
  }

  /** What the host has on a port of a bridge is heard by nobody. */
  async function whyInUse({ header }: Link): Promise<string | undefined> {
    const addresses = (await listAddresses(home, header.index))
      .filter(({ ifindex, cidr }) => ifindex === header.index && !contains(LINK_LOCAL, cidr.ip))
      .map(({ cidr }) => formatCidr(cidr));
    if (addresses.length === 0) return undefined;
    const what =
      "would stop working on a bridge; give a NIC without addresses, or uplink_migrate=true, which moves them to the bridge";
    return `holds ${addresses.join(", ")} of this host, which ${what}`;
  }

  /** Of the bridge, when one is named, and of no other. */
  async function removeOne(name: string, bridge: string | undefined): Promise<void> {
    const found = await ports.find(name);
    if (!found?.bridge || (bridge !== undefined && found.bridge !== bridge)) return;
    if (mover.movedTo(found.bridge).includes(name)) await mover.back(name);
    await ports.remove(name);
  }

  return {
    async put({ network, bridge, name: asked, migrate }) {
      const link = await getLink(home, { name: asked });
      if (!link) throw conflict(asked, "is no link of this host");
      const { name = asked, mtu = 0 } = link.attrs;
      const found = await ports.find(name);
      if (found && found.bridge !== bridge)
        throw conflict(name, `is a port of bridge ${found.bridge} already`);
      if (!found) await requireFit(link, name, migrate);
      // With a port that the user added the addresses are the user's matter, too.
      if (migrate && (!found || found.ids)) await mover.move({ network, bridge, nic: nicOf(link, name) });
      if (!found && !(await ports.find(name))) await ports.put(uplinkRows({ bridge, name, network }));
      await home.request(setLinkRequest({ ifindex: link.header.index }, { up: true }));
      return { name, mtu, isNew: !found };
    },
    remove: (name) => removeOne(name, undefined),
    async removeAll(bridge) {
      // First those that need no answer of the switch to be begun.
      await settleAll([
        ...mover.movedTo(bridge).map((name) => () => mover.back(name)),
        async () => {
          const uplinks = (await ports.list()).filter(({ ids }) => ids.role === "uplink");
          for (const { name } of uplinks) await removeOne(name, bridge);
        },
      ]);
    },
  };
}

function nicOf({ header, attrs }: Link, name: string) {
  const { address, mtu = 0 } = attrs;
  return { name, ifindex: header.index, mac: typeof address === "string" ? address : undefined, mtu };
}

function conflict(uplink: string, why: string): UnderlayError {
  return new UnderlayError("conflict", `uplink ${uplink} ${why}`, { inputs: { uplink } });
}
