import { UnderlayError } from "../../lib/errors.ts";
import { type Cidr, contains, formatCidr, LINK_LOCAL } from "../../lib/ip.ts";
import type { Mac } from "../../lib/mac.ts";
import { listAddresses } from "../../netlink/address.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { GONE, isErrno } from "../../netlink/failure.ts";
import { getLink } from "../../netlink/link.ts";
import { comment, mutate, overwrite, select } from "../../ovsdb/operation.ts";
import { ovsdbErrorOf } from "../../ovsdb/outcome.ts";
import { isOutcomeUnknown } from "../../ovsdb/session.ts";
import type { RowOf } from "../../ovsdb/tables.ts";
import { additionOf, type BridgeLook, type BridgePort, type FoundBridge, removalOf } from "./bridge-rows.ts";
import { missingBridge, type SwitchDatabase } from "./ports.ts";
import { type BridgeWish, idsOf, MARKED, type RowIds } from "./rows.ts";
import type { Datapath } from "./spec.ts";

/** Bridges of the switch: those that are there are used as they are, and those that we made go when nobody is on them. */
export interface SwitchBridges {
  /** Undefined when there is none of that name. As quick with a thousand ports as with none. */
  find(name: string): Promise<FoundBridge | undefined>;
  /** Those that are on it, without that of its own link; none when there is no such bridge. */
  ports(name: string): Promise<readonly BridgePort[]>;
  /**
   * One that is there, whosever it is, or a new one that works. Throws `unsupported` (this host has no such datapath;
   * nothing is left), `conflict` (its datapath is another one, or a link that is no such bridge has the name), `timeout`,
   * `unreachable`.
   */
  ensure(wish: BridgeWish): Promise<FoundBridge>;
  /** One that is there, for one more network. Throws `not_found`, otherwise as `ensure`. */
  use(use: BridgeUse): Promise<FoundBridge>;
  /**
   * Removes one that we made, with all of ours that is on it, unless something else is. `ownAddresses`: of ours on its
   * link. "Not there" is removed.
   */
  remove(name: string, ownAddresses: readonly Cidr[]): Promise<RemovedBridge>;
}

/** What a network wants of its bridge. */
export interface BridgeUse {
  readonly name: string;
  /** Absent: as it is. */
  readonly datapath?: Datapath;
  /** That of a gateway which is the same on every host; somebody else's bridge keeps its own. */
  readonly sharedMac?: Mac;
}

export type RemovedBridge =
  | { readonly isGone: true }
  /** For people: `port eth2 is on it`. */
  | { readonly isGone: false; readonly why: string };

/** Somebody else may change the bridge between a look and what is done about it. */
const TRIES = 3;

/** Milliseconds. */
const SHORT_PATIENCE = 2_000;

/** `home`: a conversation in the netns that the bridges are in. */
export function switchBridges(database: SwitchDatabase, home: Conversation): SwitchBridges {
  async function look(name: string): Promise<BridgeLook | undefined> {
    const [[bridge], ports, marked] = await database.transact([
      select(
        "Bridge",
        [["name", "==", name]],
        ["datapath_type", "datapath_id", "ports", "other_config", "external_ids"],
      ),
      select("Port", [], ["name", "qos", "external_ids"]),
      select("QoS", [MARKED], []),
    ]);
    if (!bridge) return undefined;
    const uuids = new Set(bridge.ports);
    const own = ports.filter((port) => uuids.has(port._uuid));
    return {
      ...foundOf(name, bridge),
      uuid: bridge._uuid,
      works: bridge.datapath_id !== undefined,
      mac: bridge.other_config.get("hwaddr"),
      portUuids: bridge.ports,
      ports: own
        .filter((port) => port.name !== name)
        .map((port) => ({ name: port.name, ...withIds(idsOf(port.external_ids)) })),
      qos: marked.map(({ _uuid }) => _uuid).filter((uuid) => own.some((port) => port.qos === uuid)),
    };
  }

  /** One that somebody has just made may not work yet. */
  async function lookSettled(name: string): Promise<BridgeLook | undefined> {
    const found = await look(name);
    if (!found || found.works) return found;
    await database.applied([], []);
    return look(name);
  }

  async function share({ ids, name, mac }: BridgeLook, wanted: Mac): Promise<void> {
    if (ids === undefined || mac === wanted) return;
    const mutations = overwrite("Bridge", "other_config", { hwaddr: wanted });
    await database.applied([mutate("Bridge", [["name", "==", name]], mutations, "some")], []);
  }

  async function use(wanted: BridgeUse): Promise<FoundBridge> {
    const found = await lookSettled(wanted.name);
    if (!found) throw missingBridge(wanted.name);
    requireUsable(found, wanted.datapath);
    if (wanted.sharedMac !== undefined) await share(found, wanted.sharedMac);
    return plain(found);
  }

  async function make(wish: BridgeWish): Promise<void> {
    const { name, datapath } = wish;
    await requireFreeName(name);
    const { after } = await database.applied(
      [comment(`underlay: bridge ${name}`), ...additionOf(wish)],
      [
        select("Bridge", [["name", "==", name]], ["datapath_id"]),
        select("Interface", [["name", "==", name]], ["ofport", "error"]),
      ],
    );
    const [[bridge], [local]] = after;
    if (bridge?.datapath_id !== undefined && local?.error === undefined && local?.ofport !== -1) return;
    throw new UnderlayError("unsupported", `${WITHOUT[datapath]}${local?.error ? ` (${local.error})` : ""}`, {
      inputs: { bridge: name, datapath },
    });
  }

  /** The switch would take it for its own, or fail in words of its log alone. */
  async function requireFreeName(name: string): Promise<void> {
    const link = await getLink(home, { name });
    // Somebody may have made the bridge since it was looked for.
    if (!link || (await look(name))) return;
    const kind = link.attrs.info?.kind;
    const what = kind === undefined ? "a link" : `a link of kind ${kind}`;
    throw new UnderlayError(
      "conflict",
      `${name} is ${what} and no bridge of Open vSwitch; name another bridge`,
      {
        inputs: { bridge: name },
      },
    );
  }

  async function makeOrUndo(wish: BridgeWish): Promise<void> {
    try {
      await make(wish);
    } catch (thrown) {
      await using undo = new AsyncDisposableStack();
      if (isInDatabase(thrown)) {
        undo.defer(() => takeBack(wish.name));
      }
      throw thrown;
    }
  }

  /** The caller has waited for ovs-vswitchd once already. */
  async function takeBack(name: string): Promise<void> {
    const found = await look(name);
    if (found?.ids) await database.transact(removalOf(found), { patience: SHORT_PATIENCE });
  }

  async function removeOnce(name: string, ownAddresses: readonly Cidr[]): Promise<RemovedBridge> {
    const found = await look(name);
    if (!found) return { isGone: true };
    const why = await whyKept(found, ownAddresses);
    if (why !== undefined) return { isGone: false, why };
    const operations = [comment(`underlay: no bridge ${name}`), ...removalOf(found)];
    try {
      await database.applied(operations, []);
    } catch (thrown) {
      // It is gone from the database; ovs-vswitchd follows when it runs again.
      if (!isInDatabase(thrown)) throw thrown;
    }
    return { isGone: true };
  }

  async function whyKept(
    { name, ids, ports }: BridgeLook,
    ownAddresses: readonly Cidr[],
  ): Promise<string | undefined> {
    if (!ids) return "it was there before";
    const foreign = ports.filter((port) => port.ids === undefined).map((port) => port.name);
    if (foreign.length > 0) return `port ${foreign.join(", ")} is on it`;
    const addresses = await addressesOf(name);
    const own = new Set(ownAddresses.map(formatCidr));
    const others = addresses.filter((text) => !own.has(text));
    return others.length > 0 ? `its link has the address ${others.join(", ")}` : undefined;
  }

  /** Of a link, without what the kernel gives every link. */
  async function addressesOf(name: string): Promise<readonly string[]> {
    const ifindex = (await getLink(home, { name }))?.header.index;
    if (ifindex === undefined) return [];
    try {
      return (await listAddresses(home, ifindex))
        .filter((address) => address.ifindex === ifindex && !contains(LINK_LOCAL, address.cidr.ip))
        .map(({ cidr }) => formatCidr(cidr));
    } catch (thrown) {
      // It went meanwhile.
      if (isErrno(thrown, ...GONE)) return [];
      throw thrown;
    }
  }

  return {
    async find(name) {
      const [[bridge]] = await database.transact([
        select("Bridge", [["name", "==", name]], ["datapath_type", "external_ids"]),
      ]);
      return bridge && foundOf(name, bridge);
    },
    ports: async (name) => (await look(name))?.ports ?? [],
    async ensure(wish) {
      const before = await look(wish.name);
      if (!before) {
        try {
          await makeOrUndo(wish);
        } catch (thrown) {
          // Somebody else was quicker, or nobody knows whether it was made.
          if (!mayBeThere(thrown)) throw thrown;
        }
      }
      const { name, datapath, datapathAsked, mac, macIsShared } = wish;
      return use({ name, ...(datapathAsked && { datapath }), ...(macIsShared && { sharedMac: mac }) });
    },
    use,
    async remove(name, ownAddresses) {
      for (let tries = 1; ; tries++) {
        try {
          return await removeOnce(name, ownAddresses);
        } catch (thrown) {
          if (tries === TRIES || ovsdbErrorOf(thrown) !== "timed out") throw thrown;
        }
      }
    },
  };
}

const WITHOUT: Readonly<Record<Datapath, string>> = {
  system:
    "Open vSwitch has no kernel datapath here: the module openvswitch is missing, or was when ovs-vswitchd started (modprobe openvswitch, and restart ovs-vswitchd); datapath=netdev works without it",
  netdev:
    "Open vSwitch cannot forward in userspace here: ovs-vswitchd needs /dev/net/tun and the capabilities NET_ADMIN and NET_RAW",
};

function requireUsable({ name, datapath, works }: BridgeLook, asked: Datapath | undefined): void {
  const inputs = { bridge: name, datapath };
  if (asked !== undefined && datapath !== asked) {
    const message = `bridge ${name} has datapath ${datapath}, not ${asked}; leave datapath out, or name another bridge`;
    throw new UnderlayError("conflict", message, { inputs });
  }
  if (!works)
    throw new UnderlayError("unsupported", `bridge ${name} does not work: ${WITHOUT[datapath]}`, { inputs });
}

function foundOf(name: string, row: RowOf<"Bridge", "datapath_type" | "external_ids">): FoundBridge {
  const datapath = row.datapath_type === "netdev" ? "netdev" : "system";
  return { name, datapath, ...withIds(idsOf(row.external_ids)) };
}

function plain({ name, ids, datapath }: BridgeLook): FoundBridge {
  return { name, datapath, ...withIds(ids) };
}

function withIds(ids: RowIds | undefined) {
  return ids === undefined ? {} : { ids };
}

function mayBeThere(thrown: unknown): boolean {
  return isOutcomeUnknown(thrown) || ovsdbErrorOf(thrown) === "constraint violation";
}

/** It was done, and then something went wrong. */
function isInDatabase(thrown: unknown): boolean {
  if (!(thrown instanceof UnderlayError)) return true;
  return thrown.code === "unsupported" || thrown.inputs["committed"] === "yes";
}
