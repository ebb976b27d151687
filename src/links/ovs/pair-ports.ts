import { UnderlayError } from "../../lib/errors.ts";
import type { ExternalIds, SwitchWish } from "../../lib/switch-port.ts";
import type { Ovsdb } from "../../ovsdb/client.ts";
import { type Condition, insert, mutate, named, select, waitUntil } from "../../ovsdb/operation.ts";
import { ovsdbErrorOf } from "../../ovsdb/outcome.ts";
import type { RowOf } from "../../ovsdb/tables.ts";
import { vlanColumns } from "./vlan-columns.ts";

/** Ports that pairs of links have in Open vSwitch: each has the name of the pair's end on the host. */

export interface PairPort {
  readonly name: string;
  readonly bridge: string | undefined;
  readonly port: RowOf<"Port", "tag" | "trunks" | "vlan_mode">;
  readonly iface: RowOf<"Interface", "ofport" | "error" | "link_state"> | undefined;
}

export interface PairPorts {
  /** Of the wish's bridge: its `datapath_type`. Undefined when it is not there. Also those of our ports without a link. */
  look(): Promise<{ readonly datapathType: string | undefined; readonly idle: readonly string[] }>;
  /**
   * In one transaction, and then ovs-vswitchd has it. One of ours under the name is replaced. Throws `conflict` when it
   * is somebody else's, `not_found` without the bridge, `kernel` when Open vSwitch cannot, `timeout` when it does not.
   */
  add(name: string): Promise<void>;
  /** Returns when the port is up. Throws `timeout`. */
  awaitUp(name: string): Promise<void>;
  find(name: string): Promise<PairPort | undefined>;
  /** Of ours those with these names, and all others that have these ids. What is gone is success. */
  remove(names: readonly string[], others?: readonly ExternalIds[]): Promise<void>;
  /** Names of all of the wish's network. */
  ofNetwork(): Promise<readonly string[]>;
}

const IFACE = ["ofport", "error", "link_state"] as const;

export function pairPorts(open: () => Promise<Ovsdb>, wish: SwitchWish): PairPorts {
  const { owner } = wish.marks;
  const ours = ["external_ids", "includes", { owner }] as const;

  async function insertRows(name: string): Promise<void> {
    const [face, port] = [named("face"), named("port")];
    const ovsdb = await open();
    const { after } = await ovsdb.applied(
      [
        insert(
          "Interface",
          {
            name,
            external_ids: { ...wish.marks, ...wish.interfaceIds },
            ...(wish.ofport !== undefined && { ofport_request: wish.ofport }),
          },
          face,
        ),
        insert(
          "Port",
          {
            name,
            interfaces: [face],
            ...vlanColumns(wish.vlans),
            external_ids: { ...wish.marks, ...wish.portIds },
          },
          port,
        ),
        mutate("Bridge", [["name", "==", wish.bridge]], [["ports", "insert", [port]]], "some"),
      ],
      [select("Interface", [["name", "==", name]], IFACE)],
    );
    const problem = problemOf(after[0][0]);
    if (problem === undefined) return;
    throw new UnderlayError(
      "kernel",
      `bridge ${wish.bridge} of Open vSwitch cannot have ${name}: ${problem}`,
      {
        inputs: { link: name, bridge: wish.bridge },
      },
    );
  }

  async function removeRows(where: readonly Condition<"Port">[][]): Promise<number> {
    const ovsdb = await open();
    const found = await ovsdb.transact(where.map((conditions) => select("Port", conditions, [])));
    const uuids = [...new Set(found.flat().map(({ _uuid }) => _uuid))];
    // A port that no bridge has is collected, and its interface with it.
    const detach = uuids.map((uuid) =>
      mutate("Bridge", [["ports", "includes", [uuid]]], [["ports", "delete", [uuid]]], "any"),
    );
    if (detach.length > 0) await ovsdb.transact(detach);
    return uuids.length;
  }

  return {
    async look() {
      const ovsdb = await open();
      const [[bridge], lost, failed] = await ovsdb.transact([
        select("Bridge", [["name", "==", wish.bridge]], ["datapath_type"]),
        // When its link goes, an interface keeps its number and has no error until ovs-vswitchd is told something …
        select("Interface", [ours, ["ifindex", "==", 0]], ["name"]),
        // … and from then on it has.
        select("Interface", [ours, ["ofport", "==", -1]], ["name"]),
      ]);
      const idle = new Set([...lost, ...failed].map(({ name }) => name));
      return { datapathType: bridge?.datapath_type, idle: [...idle] };
    },
    async add(name) {
      try {
        await insertRows(name);
      } catch (thrown) {
        if (ovsdbErrorOf(thrown) !== "constraint violation") throw thrown;
        // An earlier try's; ovs-vswitchd would take a new port in the same transaction for the old one.
        if ((await removeRows([[["name", "==", name], ours]])) === 0)
          throw new UnderlayError(
            "conflict",
            `Open vSwitch has a port ${name} already, and it is none of ours`,
            {
              cause: thrown,
              inputs: { link: name },
            },
          );
        await (await open()).applied([], []);
        await insertRows(name);
      }
    },
    async awaitUp(name) {
      const ovsdb = await open();
      const isUp = { table: "Interface", where: [["name", "==", name]], columns: ["link_state"] } as const;
      try {
        await ovsdb.transact([waitUntil({ ...isUp, until: "==", rows: [{ link_state: "up" }] })], {
          patience: wish.linkStatePatience,
        });
      } catch (cause) {
        if (!(cause instanceof UnderlayError) || cause.code !== "timeout") throw cause;
        const message = `port ${name} of Open vSwitch is not up after ${wish.linkStatePatience} ms`;
        throw new UnderlayError("timeout", message, { cause, inputs: { link: name } });
      }
    },
    async find(name) {
      const ovsdb = await open();
      const [[port], [iface], bridges] = await ovsdb.transact([
        select("Port", [["name", "==", name]], ["tag", "trunks", "vlan_mode"]),
        select("Interface", [["name", "==", name]], IFACE),
        select("Bridge", [], ["name", "ports"]),
      ]);
      const bridge = port && bridges.find(({ ports }) => ports.includes(port._uuid))?.name;
      return port && { name, bridge, port, iface };
    },
    async remove(names, others = []) {
      const where: Condition<"Port">[][] = [
        ...names.map((name): Condition<"Port">[] => [["name", "==", name], ours]),
        ...others.map((ids): Condition<"Port">[] => [["external_ids", "includes", ids]]),
      ];
      if (where.length > 0) await removeRows(where);
    },
    async ofNetwork() {
      const ovsdb = await open();
      const [ports] = await ovsdb.transact([
        select("Port", [["external_ids", "includes", { ...wish.marks }]], ["name"]),
      ]);
      return ports.map(({ name }) => name);
    },
  };
}

/** Why an interface is of no use; undefined when it is. */
export function problemOf(iface: PairPort["iface"]): string | undefined {
  if (!iface) return "its row is gone";
  const { ofport = -1, error } = iface;
  return error ?? (ofport > 0 ? undefined : "the log of ovs-vswitchd tells why");
}
