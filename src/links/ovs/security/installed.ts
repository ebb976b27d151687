import { UnderlayError } from "../../../lib/errors.ts";
import { ALL_BITS, type Flow, type FlowMod, formatFlow, rowOf } from "../../../openflow/flow-mod.ts";
import { formatInstructions } from "../../../openflow/instruction.ts";
import type { OpenFlowSwitch } from "../../../openflow/switch.ts";
import { formatCookie, isOurCookie, OUR_COOKIE, OUR_COOKIE_MASK } from "./cookie.ts";
import { flowsFor, type SecuredPort } from "./flows.ts";
import { type TunnelPort, tunnelFlows } from "./tunnel-flows.ts";

/** Flows of ours on one bridge: what there is, what there should be, and what makes the one the other. */

/** Flows whose change goes in one message to the bridge each, and in one bundle together. */
const MOST_IN_A_CHANGE = 1_000;

/** A port that has flows of ours. */
export type FlowPort = SecuredPort | TunnelPort;

export function flowsOf(port: FlowPort): Flow[] {
  return "gateway" in port ? tunnelFlows(port) : flowsFor(port);
}

export interface Difference {
  /** Flows that the ports should have. */
  readonly missing: readonly Flow[];
  /** Flows of ours on those ports, or with their cookies, that they should not have. */
  readonly strange: readonly Flow[];
}

/** What is there in another form is `missing`: adding it takes that one's place. */
export function differenceOf(ports: readonly FlowPort[], installed: readonly Flow[]): Difference {
  const cookies = new Set(ports.map(({ cookie }) => cookie));
  const numbers = new Set(ports.map(({ ofport }) => ofport));
  const concerns = ({ cookie, match }: Flow) =>
    isOurCookie(cookie) && (cookies.has(cookie) || (match.inPort !== undefined && numbers.has(match.inPort)));
  const unmatched = new Map(installed.map((flow) => [rowOf(flow), flow]));
  const missing: Flow[] = [];
  for (const flow of ports.flatMap(flowsOf)) {
    const row = rowOf(flow);
    const there = unmatched.get(row);
    if (there === undefined || !isSame(there, flow)) missing.push(flow);
    unmatched.delete(row);
  }
  return { missing, strange: [...unmatched.values()].filter(concerns) };
}

/** Of two in the same row. */
function isSame(a: Flow, b: Flow): boolean {
  return a.cookie === b.cookie && formatInstructions(a.instructions) === formatInstructions(b.instructions);
}

/** Ports that are compared before others who wait for this thread have their turn: some milliseconds. */
const PORTS_IN_A_ROW = 20;

/** The same port by port. */
async function compareMany(ports: readonly FlowPort[], installed: readonly Flow[]): Promise<Difference> {
  const numbers = new Set<number | undefined>(ports.map(({ ofport }) => ofport));
  const onPorts = Map.groupBy(installed, ({ match }) => match.inPort);
  const elsewhere = Map.groupBy(
    installed.filter(({ match }) => !numbers.has(match.inPort)),
    ({ cookie }) => cookie,
  );
  const [missing, strange]: [Flow[], Flow[]] = [[], []];
  for (const [i, port] of ports.entries()) {
    if (i > 0 && i % PORTS_IN_A_ROW === 0) await new Promise(setImmediate);
    const there = [...(onPorts.get(port.ofport) ?? []), ...(elsewhere.get(port.cookie) ?? [])];
    const difference = differenceOf([port], there);
    missing.push(...difference.missing);
    strange.push(...difference.strange);
  }
  return { missing, strange };
}

/** How the ports differ from what they should have. Throws `conflict` when another's flow stands where one of ours is to be. */
export async function compare(bridge: OpenFlowSwitch, ports: readonly FlowPort[]): Promise<Difference> {
  const [only, ...others] = ports;
  if (only === undefined) return { missing: [], strange: [] };
  if (others.length > 0) return compareMany(ports, await bridge.flows(OUR_COOKIE, OUR_COOKIE_MASK));
  // Of one port, not all flows of all ports: 500 of them are made one after the other. What another endpoint left on its
  // number bears another cookie.
  const [onPort, ofCookie] = await Promise.all([
    bridge.flows(0n, 0n, { inPort: only.ofport }),
    bridge.flows(only.cookie, ALL_BITS),
  ]);
  const elsewhere = ofCookie.filter(({ match }) => match.inPort !== only.ofport);
  const difference = differenceOf(ports, [...onPort, ...elsewhere]);
  const rows = new Set(difference.missing.map(rowOf));
  const taken = onPort.find((flow) => !isOurCookie(flow.cookie) && rows.has(rowOf(flow)));
  if (taken === undefined) return difference;
  throw new UnderlayError(
    "conflict",
    `port ${only.ofport} cannot be secured: a flow that is not ours has the same priority and match as one of ours: ${formatFlow(taken)}`,
  );
}

/**
 * Gives the ports what they should have, and takes from them what they should not; answers how many flows that took. What is
 * there already stays untouched, so that a repeated call interrupts nothing. Throws as `OpenFlowSwitch.change` does.
 */
export async function install(bridge: OpenFlowSwitch, ports: readonly FlowPort[]): Promise<number> {
  const { missing, strange } = await compare(bridge, ports);
  const mods: FlowMod[] = [
    ...missing.map((flow): FlowMod => ({ do: "add", flow })),
    ...strange.map((flow): FlowMod => ({ do: "delete strictly", flow })),
  ];
  const what = ports.length === 1 ? `secure port ${ports[0]?.ofport}` : `secure ${ports.length} ports`;
  for (let at = 0; at < mods.length; at += MOST_IN_A_CHANGE)
    await bridge.change(what, mods.slice(at, at + MOST_IN_A_CHANGE));
  return mods.length;
}

/** Takes away all flows of endpoints; that there are none is success. */
export async function remove(bridge: OpenFlowSwitch, cookies: readonly bigint[]): Promise<void> {
  const mods = cookies.map((cookie): FlowMod => ({ do: "delete by cookie", cookie, mask: ALL_BITS }));
  await bridge.change(`release ${cookies.map(formatCookie).join(", ")}`, mods);
}

/** Takes away the flows of ours whose cookie is none of these; answers their cookies. Nobody else's are touched. */
export async function collect(bridge: OpenFlowSwitch, keep: ReadonlySet<bigint>): Promise<bigint[]> {
  const flows = await bridge.flows(OUR_COOKIE, OUR_COOKIE_MASK);
  const strays = new Set(flows.map(({ cookie }) => cookie).filter((cookie) => !keep.has(cookie)));
  if (strays.size > 0) await remove(bridge, [...strays]);
  return [...strays];
}
