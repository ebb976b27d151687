import type { Finding, Judged } from "../../conditions/condition.ts";
import { findings } from "../../conditions/judge.ts";
import type { NetworkBody } from "../../daemon/api.ts";
import { UnderlayError } from "../../lib/errors.ts";
import type { ParentFacts } from "../../lib/facts.ts";
import { contains, networkOf } from "../../lib/ip.ts";
import type { Subnet } from "../../lib/request.ts";
import type { SwitchFacts } from "../../lib/switch-facts.ts";
import { parseMacvlan } from "../../links/macvlan/spec.ts";
import { tryLink } from "../../links/parent/trial.ts";
import { MACVLAN_MODE } from "../../netlink/kinds/macvlan.ts";
import type { DoctorKernel } from "./kernel.ts";

/** As what a link is looked at: a parent to be, the bridge of a switch, or a NIC on one. */
export type Role = "macvlan" | "ovs" | "uplink";

/** Which of these it is, as the switch tells, or else the records. */
export function roleOf(name: string, networks: readonly NetworkBody[], ovs: SwitchFacts | undefined): Role {
  const bridges = ovs && "known" in ovs.database ? ovs.database.known.bridges : [];
  const isBridge =
    bridges.some((bridge) => bridge.name === name) ||
    networks.some(({ kind, parent }) => kind === "ovs" && parent === name);
  if (isBridge) return "ovs";
  return bridges.some(({ ways }) => ways.includes(name)) ? "uplink" : "macvlan";
}

/** A link as somebody would use it who makes a macvlan network on it now, unless it is a switch's. */
export interface LookedAt {
  readonly role: Role;
  readonly facts: ParentFacts;
  readonly findings: readonly Finding[];
}

/**
 * `asked`: a link's name, or `auto`. With a trial it is used for a moment, by a link in an empty netns. Throws `invalid_option` for what can be no
 * link's name.
 */
export async function lookAtParent(
  kernel: DoctorKernel,
  asked: string,
  networks: readonly NetworkBody[],
  withTrial: boolean,
  role: Role = "macvlan",
): Promise<LookedAt> {
  const parsed = parseMacvlan({ parent: asked }, {}, { ipv6: false });
  if ("problems" in parsed) {
    throw new UnderlayError(parsed.code, parsed.problems.map(({ message }) => message).join("; "), {
      problems: parsed.problems,
    });
  }
  const known = await kernel.parents.facts(parsed.spec.parent);
  const mayTry = withTrial && role === "macvlan";
  const facts = { ...known, ...(mayTry ? await trialOn(kernel, known) : {}) };
  return { role, facts, findings: findings(wouldBe(facts, networks, role)) };
}

async function trialOn(kernel: DoctorKernel, { link }: ParentFacts): Promise<Pick<ParentFacts, "trial">> {
  if (link === undefined || "unread" in kernel.scratch) return {};
  const info = { kind: "macvlan", data: { mode: MACVLAN_MODE.bridge } } as const;
  return { trial: await tryLink(kernel.scratch.known, { parent: link.ifindex, info }) };
}

/** The network that the README would make: bridge mode, the parent's own subnets, its router as the gateway. */
export function wouldBe(
  facts: ParentFacts,
  networks: readonly NetworkBody[],
  kind: Role = "macvlan",
): Judged {
  const here = networks.filter(({ parent }) => parent === facts.link?.name || parent === facts.asked);
  return {
    network: `a new network on ${facts.link?.name ?? facts.asked}`,
    exists: false,
    kind,
    mode: "bridge",
    ipv6: false,
    internal: false,
    subnets: subnetsOf(facts),
    parent: facts,
    neighbours: here.map(({ owner, kind, mode }) => ({ owner, kind, mode })),
    endpoints: [],
    released: [],
  };
}

function subnetsOf({ link, routers }: ParentFacts): Subnet[] {
  const [address] = (link?.addresses ?? []).filter(({ ip }) => ip.family === 4);
  if (address === undefined) return [];
  const gateway = routers.find((router) => contains(address, router));
  const pool = { ip: networkOf(address), prefix: address.prefix };
  return [{ pool, aux: {}, ...(gateway !== undefined && { gateway }) }];
}
