import { readFileSync } from "node:fs";
import type { Finding, Judged } from "../../src/conditions/condition.ts";
import { findings } from "../../src/conditions/judge.ts";
import type { ParentFacts } from "../../src/lib/facts.ts";
import { macvlanDriver } from "../../src/links/macvlan/driver.ts";
import { type MacvlanMode, parseMacvlan } from "../../src/links/macvlan/spec.ts";
import { kernelParents } from "../../src/links/parent/kernel.ts";
import type { ParentMemory } from "../../src/links/parent/parents.ts";
import { type Lan, makeLan } from "./lan.ts";

/** Judging a request on a live parent, as the engine does at create. */

export const BOOT = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

/** A namespace with a NIC `eth0` that is up; `sw0` is the switch at its other end. */
export function makeLanWithNic(): Lan {
  const lan = makeLan();
  addNic(lan, "eth0", "sw0");
  return lan;
}

export function addNic(lan: Lan, name: string, peer: string): void {
  lan.ip(`link add ${name} type veth peer name ${peer}`);
  lan.ip(`link set ${name} up`);
  lan.ip(`link set ${peer} up`);
}

export interface Asked {
  readonly parent: string;
  readonly mode?: MacvlanMode;
  readonly mtu?: number;
  readonly memory?: ParentMemory;
}

/** Facts, a trial when there is a link, and all findings. */
export async function judge(
  lan: Lan,
  { parent, mode = "bridge", mtu, memory }: Asked,
): Promise<{ facts: ParentFacts; all: Finding[] }> {
  const options = { parent, mode, ...(mtu !== undefined && { mtu: String(mtu) }) };
  const parsed = parseMacvlan(options, {}, { ipv6: false });
  if ("problems" in parsed) throw new Error(parsed.problems[0]?.message);
  const known = await kernelParents(lan, BOOT).facts(parsed.spec.parent, memory);
  const driver = macvlanDriver(lan.requests, lan.scratch, {});
  const trial = known.link && (await driver.trial(known.link.ifindex, parsed.spec));
  const facts: ParentFacts = { ...known, ...(trial && { trial }) };
  return { facts, all: findings(judgedBy(facts, { mode, ...(mtu !== undefined && { mtu }) })) };
}

export function judgedBy(parent: ParentFacts, change: Partial<Judged> = {}): Judged {
  return {
    exists: false,
    network: "lan",
    kind: "macvlan",
    mode: "bridge",
    ipv6: false,
    internal: false,
    subnets: [],
    parent,
    neighbours: [],
    endpoints: [],
    released: [],
    ...change,
  };
}
