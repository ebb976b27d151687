import { UnderlayError } from "../../lib/errors.ts";
import { vethNameOf } from "../../lib/ifname.ts";
import type { LinkEnd } from "../../lib/pair.ts";
import type { SwitchWish } from "../../lib/switch-port.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import type { Ethtool } from "../../netlink/ethtool.ts";
import { getLink } from "../../netlink/link.ts";
import type { Ovsdb } from "../../ovsdb/client.ts";
import type { Inside } from "../born-inside.ts";
import type { HostSide } from "../host-side.ts";
import { FINISHED_CHECKSUMS, isUserspace } from "./offloads.ts";
import { type PairPort, pairPorts, problemOf } from "./pair-ports.ts";
import { vlanColumns } from "./vlan-columns.ts";

export interface OvsContext {
  /** A conversation in the host's netns. */
  readonly home: Conversation;
  /** A connection, made when it is asked for; the same while it is not lost. */
  readonly open: () => Promise<Ovsdb>;
  /** In a container's netns. */
  readonly features: (inside: Inside) => Ethtool & Disposable;
}

/** The host's end is a port of a bridge of Open vSwitch that somebody else has made. */
export function ovsSide({ home, open, features }: OvsContext, wish: SwitchWish): HostSide {
  const ports = pairPorts(open, wish);
  const state: { datapathType?: string } = {};

  async function requireBridge() {
    const { datapathType, idle } = await ports.look();
    if (datapathType === undefined) throw await missing();
    return { datapathType, idle };
  }

  async function missing(): Promise<UnderlayError> {
    const { bridge } = wish;
    const link = await getLink(home, { name: bridge });
    const kind = link?.attrs.info?.kind ?? "NIC";
    const other = link ? `; the host's link of that name is another thing: ${kind}` : "";
    const message = `Open vSwitch has no bridge ${bridge}, and none is made here: ovs-vsctl add-br ${bridge}${other}`;
    return new UnderlayError("not_found", message, { inputs: { bridge } });
  }

  /** Of ports of ours those whose link is gone for good: links are there before their port. */
  async function stale(idle: readonly string[]): Promise<readonly string[]> {
    const gone: string[] = [];
    for (const name of idle) if (!(await getLink(home, { name }))) gone.push(name);
    return gone;
  }

  function verifyVlans({ name, port }: PairPort): void {
    const wanted = vlanColumns(wish.vlans);
    const rows = [
      ["vlan_mode", port.vlan_mode, wanted.vlan_mode],
      ["tag", port.tag, wanted.tag],
      ["trunks", listed(port.trunks), listed(wanted.trunks)],
    ] as const;
    for (const [column, is = "unset", should = "unset"] of rows)
      if (is !== should) throw conflict(name, `its ${column} is ${is}, not ${should}`);
  }

  return {
    forwards: false,
    async prepare() {
      const { datapathType, idle } = await requireBridge();
      state.datapathType = datapathType;
      await ports.remove(await stale(idle));
      return undefined;
    },
    async plug({ host, inside }, container) {
      if (isUserspace(state.datapathType ?? "")) {
        using ethtool = features(container);
        await ethtool.setFeatures({ ifindex: inside.ifindex }, FINISHED_CHECKSUMS);
      }
      await ports.add(host.name);
    },
    async connect({ host }, _addresses, isUp) {
      if (isUp) await ports.awaitUp(host.name);
      return { others: [] };
    },
    async unplug(key, wasThere) {
      try {
        const { idle } = await ports.look();
        await ports.remove([...new Set([vethNameOf(key), ...(await stale(idle))])], wish.othersMarks);
      } catch (thrown) {
        // A port is never there before its pair. One that outlived it in a database that is gone for now goes later.
        if (wasThere || !isAway(thrown)) throw thrown;
      }
    },
    async collect({ alive }) {
      const wanted = new Set(alive.map(vethNameOf));
      const names = await ports.ofNetwork();
      await ports.remove(names.filter((name) => !wanted.has(name)));
    },
    async verify({ host }) {
      const found = await ports.find(host.name);
      if (!found) throw conflict(host.name, "it is not there");
      if (found.bridge !== wish.bridge)
        throw conflict(host.name, `it is a port of ${found.bridge ?? "no bridge"}, not of ${wish.bridge}`);
      const problem = problemOf(found.iface);
      if (problem !== undefined) throw conflict(host.name, problem);
      verifyVlans(found);
      const linkState = found.iface?.link_state ?? "unknown";
      if (linkState !== "up") throw conflict(host.name, `its link is ${linkState}`);
    },
    async requireReady() {
      await requireBridge();
    },
  };
}

function conflict(name: LinkEnd["name"], why: string): UnderlayError {
  return new UnderlayError("conflict", `port ${name} of Open vSwitch: ${why}`, { inputs: { link: name } });
}

/** Sets have no order. */
function listed(vlans: readonly number[]): string {
  return vlans.length === 0 ? "all" : vlans.toSorted((a, b) => a - b).join(",");
}

function isAway(thrown: unknown): boolean {
  return thrown instanceof UnderlayError && ["unreachable", "timeout"].includes(thrown.code);
}
