import type { Finding, Need } from "../../conditions/condition.ts";
import { findings } from "../../conditions/judge.ts";
import { verdictOf } from "../../conditions/probe.ts";
import type { Body, NetworkBody } from "../../daemon/api.ts";
import { UnderlayError } from "../../lib/errors.ts";
import type { ParentFacts, ProbeFacts, ProbeSide } from "../../lib/facts.ts";
import type { Read } from "../../lib/host-facts.ts";
import { formatIp, type Ip, parseIp, sameIp } from "../../lib/ip.ts";
import type { Mac } from "../../lib/mac.ts";
import type { DoctorKernel } from "./kernel.ts";
import { type LookedAt, wouldBe } from "./parent.ts";

/** `--active`: somebody behind the parent is asked by two MAC addresses. */

export interface Active {
  /** Who is asked; absent = the parent's default gateway, else that of a network on it. */
  readonly target?: Ip;
  /** Told before the first frame leaves by a parent … */
  readonly onSend: (parent: string, target: Ip, foreign: Mac) => void;
  /** … or why none does. */
  readonly onUnsent: (parent: string, reason: string) => void;
}

/** What a check needs and does not have, with the reason. */
export type Lacks = Partial<Record<Need, string>>;

/** A parent by which frames were sent, or why none were. */
export interface Probed extends LookedAt {
  readonly unsent?: string;
}

/** Why no frame would leave, or none of a macvlan: then the finding says it all. */
const STANDS_AGAINST = ["P01", "P02", "P03", "P04", "P06", "P07", "P08", "P09", "K01", "K10"];

/** Throws what there is no probing without, before anything is looked at. */
export function checkMayProbe(kernel: Read<DoctorKernel>): void {
  if ("unread" in kernel) throw new UnderlayError("unsupported", kernel.unread);
  if ("unread" in kernel.known.scratch) throw forbidden();
}

function forbidden(cause?: unknown): UnderlayError {
  return new UnderlayError(
    "permission",
    "--active sends frames and makes a macvlan for a moment: " +
      "run as root, with CAP_NET_RAW, CAP_NET_ADMIN and CAP_SYS_ADMIN",
    { cause },
  );
}

/** Looks once more, with what was answered. Throws `permission`; `invalid_option` for a target that is the parent. */
export async function probed(
  kernel: DoctorKernel,
  look: LookedAt,
  networks: readonly NetworkBody[],
  active: Active,
): Promise<Probed> {
  const { link, routers, asked } = look.facts;
  const unsent = (reason: string, after: LookedAt = look): Probed => {
    active.onUnsent(link?.name ?? asked, reason);
    return { ...after, unsent: reason };
  };
  if (look.role !== "macvlan")
    return unsent(`${link?.name ?? asked} is of a switch: --active asks by a macvlan, which cannot be there`);
  const obstacle = obstacleIn(look.findings);
  if (link === undefined || obstacle !== undefined) return unsent(obstacle ?? "there is no such link");
  const here = networks.filter(({ parent }) => parent === link.name || parent === asked);
  const target = active.target ?? ipv4First(routers)[0] ?? ipv4First(here.flatMap(gatewaysOf))[0];
  if (target === undefined) {
    const run = `underlay doctor ${link.name} --active --probe ADDRESS`;
    return unsent(`no default route goes through ${link.name}: name who is to answer, ${run}`);
  }
  if (link.addresses.some(({ ip }) => sameIp(ip, target))) {
    throw new UnderlayError(
      "invalid_option",
      `--probe: ${formatIp(target)} is an address of ${link.name} itself`,
    );
  }
  const answer = await asUser(() =>
    kernel.probe(link, target, (foreign) => active.onSend(link.name, target, foreign)),
  );
  const facts: ParentFacts = { ...look.facts, ...answer };
  const after = { role: look.role, facts, findings: findings(wouldBe(facts, networks)) };
  return "probe" in answer ? after : unsent(obstacleIn(after.findings) ?? "no macvlan can be made", after);
}

/** Its probe claims no address. */
function ipv4First(addresses: readonly Ip[]): Ip[] {
  return addresses.toSorted((a, b) => a.family - b.family);
}

/** Where containers send what leaves the LAN; of an internal network that is nobody. */
function gatewaysOf({ internal, subnets }: NetworkBody): Ip[] {
  if (internal) return [];
  return subnets.flatMap(({ gateway }) => (gateway === null ? [] : (parseIp(gateway) ?? [])));
}

async function asUser<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UnderlayError && error.code === "permission") throw forbidden(error);
    throw error;
  }
}

function obstacleIn(all: readonly Finding[]): string | undefined {
  const found = all.find(({ id }) => STANDS_AGAINST.includes(id.slice("UL-".length)));
  return found && `${found.id} ${found.message}`;
}

/** Why nothing is known of what is behind any of the parents. */
export function unprobed(
  looks: readonly Probed[],
  asked: string | undefined,
  active: Active | undefined,
): Lacks {
  if (active === undefined) {
    return { probe: `nothing was sent: underlay doctor ${asked ?? "LINK"} --active sends a few frames` };
  }
  if (looks.length === 0) return { probe: "no network has a NIC: name one, underlay doctor LINK --active" };
  const probes = looks.flatMap(({ facts }) => facts.probe ?? []);
  if (probes.length === 0) return { probe: looks.flatMap(({ unsent }) => unsent ?? []).join("; ") };
  const mute = probes.filter((probe) => !["passes", "dropped"].includes(verdictOf(probe)));
  if (mute.length < probes.length) return {};
  return { answer: mute.map(({ target }) => `${formatIp(target)} answered to no MAC address`).join("; ") };
}

type ProbeBody = Body<"underlay.doctor/v1">["probes"][number];

export function probeBodies(looks: readonly LookedAt[]): ProbeBody[] {
  return looks.flatMap(({ facts: { asked, link, probe } }) =>
    probe ? [probeBody(link?.name ?? asked, probe)] : [],
  );
}

function probeBody(parent: string, probe: ProbeFacts): ProbeBody {
  const side = ({ mac, answeredBy }: ProbeSide) => ({ mac, answered_by: answeredBy ?? null });
  return {
    parent,
    target: formatIp(probe.target),
    verdict: verdictOf(probe),
    own: side(probe.own),
    foreign: side(probe.foreign),
  };
}
