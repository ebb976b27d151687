import { UnderlayError } from "../../../lib/errors.ts";
import { parseMac } from "../../../lib/mac.ts";
import { type Flow, type FlowMod, formatFlow, rowOf } from "../../../openflow/flow-mod.ts";
import { type FieldName, fields, type Match } from "../../../openflow/match.ts";
import { OFP_VERSION } from "../../../openflow/numbers.ts";
import type { OpenFlowSwitch } from "../../../openflow/switch.ts";

/** A bridge in memory, by the rules of OpenFlow that count here; it can crash, and come back without flows. */
export interface FakeBridge {
  readonly open: () => Promise<OpenFlowSwitch>;
  /** Its ports, by name. */
  readonly ports: Map<string, number>;
  readonly flows: () => readonly Flow[];
  /** Texts of all flows, sorted. */
  readonly texts: () => readonly string[];
  /** What has been changed, a number of flows for each change. */
  readonly changes: number[];
  put(flow: Flow): void;
  /** Forgets all flows and loses its connections; nobody reaches it until it `isUp` again. */
  crash(): void;
  /** Connections without flows lost. */
  drop(): void;
  isUp: boolean;
  /** What is said against a change, when anything is. */
  refuse: (mods: readonly FlowMod[]) => UnderlayError | undefined;
  connections: number;
  /** How often somebody wanted to connect, and how often the ports were asked for. */
  tries: number;
  asked: number;
}

export function fakeBridge(): FakeBridge {
  const table = new Map<string, Flow>();
  const lines = new Set<(error: UnderlayError) => void>();
  const fake: FakeBridge = {
    ports: new Map(),
    flows: () => [...table.values()],
    texts: () => [...table.values()].map(formatFlow).sort(),
    changes: [],
    put: (flow) => void table.set(rowOf(flow), flow),
    crash() {
      table.clear();
      fake.isUp = false;
      fake.drop();
    },
    drop() {
      for (const lose of [...lines]) lose(new UnderlayError("unreachable", "closed by the other side"));
    },
    isUp: true,
    refuse: () => undefined,
    connections: 0,
    tries: 0,
    asked: 0,
    async open() {
      fake.tries++;
      if (!fake.isUp) throw new UnderlayError("unreachable", "nobody listens there");
      fake.connections++;
      const lost = Promise.withResolvers<UnderlayError>();
      let over: UnderlayError | undefined;
      const lose = (error: UnderlayError) => {
        over = error;
        lines.delete(lose);
        lost.resolve(error);
      };
      lines.add(lose);
      const asked = async () => {
        if (over) throw over;
      };
      return {
        version: OFP_VERSION["1.4"],
        lost: lost.promise,
        async change(_, mods) {
          await asked();
          const refused = fake.refuse(mods);
          if (refused) throw refused;
          if (mods.length > 0) fake.changes.push(mods.length);
          for (const mod of mods) apply(table, mod);
        },
        async flows(cookie, mask, within = {}) {
          await asked();
          return fake
            .flows()
            .filter((flow) => (flow.cookie & mask) === (cookie & mask) && isWithin(flow.match, within))
            .map((flow) => ({ ...flow, packets: 0n, bytes: 0n }));
        },
        async ports() {
          fake.asked++;
          await asked();
          const mac = parseMac("02:00:00:00:00:01");
          return [...fake.ports].flatMap(([name, number]) => (mac ? [{ name, number, mac }] : []));
        },
        [Symbol.dispose]: () => lose(new UnderlayError("unreachable", "the connection was closed")),
      };
    },
  };
  return fake;
}

function apply(table: Map<string, Flow>, mod: FlowMod): void {
  if (mod.do === "add") table.set(rowOf(mod.flow), mod.flow);
  else if (mod.do === "delete strictly") {
    if (table.get(rowOf(mod.flow))?.cookie === mod.flow.cookie) table.delete(rowOf(mod.flow));
  } else {
    for (const [row, { cookie }] of table)
      if ((cookie & mod.mask) === (mod.cookie & mod.mask)) table.delete(row);
  }
}

function isWithin(match: Match, within: Match): boolean {
  return (Object.keys(fields) as FieldName[]).every(
    (name) => within[name] === undefined || Bun.deepEquals(within[name], match[name]),
  );
}
