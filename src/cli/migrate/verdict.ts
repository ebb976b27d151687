import { refusals } from "../../conditions/judge.ts";
import type { NetworkBody } from "../../daemon/api.ts";
import type { Values } from "../../daemon/settings.ts";
import type { Chosen } from "../../docker/migrate/plan.ts";
import type { Target } from "../../docker/migrate/target.ts";
import type { Problem } from "../../lib/errors.ts";
import type { ParentFacts } from "../../lib/facts.ts";
import { parseCidr } from "../../lib/ip.ts";
import type { Subnet } from "../../lib/request.ts";
import type { LinkSpec, Parsed } from "../../links/driver.ts";
import { MACHINE_FILES } from "../../links/host/read.ts";
import { parseIpvlan } from "../../links/ipvlan/spec.ts";
import { parseMacvlan } from "../../links/macvlan/spec.ts";
import { nameAsked, type ParentRef } from "../../links/parent/ref.ts";
import { type DoctorKernel, openKernel } from "../doctor/kernel.ts";
import { wouldBe } from "../doctor/parent.ts";

/** What our driver would say to a network, asked of the same parsers and conditions, and of the kernel as it is now. */

type Parse = (options: Readonly<Record<string, string>>, ipv6: boolean) => Parsed<LinkSpec>;

/** By the kind, each with the defaults of the configuration. */
function parsers(values: Values): Readonly<Record<Target["from"], Parse>> {
  const macvlan = { parent: values["macvlan.parent"], mode: values["macvlan.mode"] };
  const ipvlan = { parent: values["ipvlan.parent"], mode: values["ipvlan.mode"] };
  return {
    macvlan: (options, ipv6) => parseMacvlan(options, macvlan, { ipv6 }),
    ipvlan: (options, ipv6) => parseIpvlan(options, ipvlan, { ipv6 }),
  };
}

export interface Verdicts extends Disposable {
  /** Empty when nothing speaks against it. */
  problemsOf(chosen: Chosen): Promise<readonly Problem[]>;
}

/** `networks`: those that our daemon has already. */
export function verdicts(values: Values, networks: readonly NetworkBody[]): Verdicts {
  const files = MACHINE_FILES;
  const release = files.text("/proc/sys/kernel/osrelease") ?? "";
  const bootId = files.text("/proc/sys/kernel/random/boot_id") ?? "";
  const kernel = openKernel(files, release, bootId);
  const open = "known" in kernel ? kernel.known : undefined;
  const parseOf = parsers(values);
  return {
    problemsOf: async (chosen) => {
      const { network, target } = chosen;
      const parsed = parseOf[target.from](network.Options, network.EnableIPv6);
      if ("problems" in parsed) return parsed.problems;
      const changes = changesOf(chosen, parsed.spec);
      if (changes.length > 0) return changes;
      return open === undefined ? [] : standsAgainst(open, chosen, parsed, networks);
    },
    [Symbol.dispose]: () => open?.[Symbol.dispose](),
  };
}

/** What our options or the configuration's defaults would make of a network that Docker's driver reads otherwise. */
function changesOf({ network: { Options }, target }: Chosen, spec: LinkSpec): Problem[] {
  const { parent } = spec;
  const mode = Options[target.mode.option] || target.mode.fallback;
  const given = parent.how === "auto" ? "the default route's link" : nameAsked(parent);
  return [
    ...(Options["parent"] || given === undefined
      ? []
      : [problem("parent", `it has no parent and reaches nobody; ${target.to} would put it on ${given}`)]),
    ...(mode === spec.mode
      ? []
      : [problem("mode", `its mode is ${mode}; ${target.to} would make it ${spec.mode}`)]),
  ];
}

async function standsAgainst(
  kernel: DoctorKernel,
  { network }: Chosen,
  { spec, allow }: Extract<Parsed<LinkSpec>, { spec: LinkSpec }>,
  networks: readonly NetworkBody[],
): Promise<readonly Problem[]> {
  const found = await factsOf(kernel, spec.parent);
  if (found === undefined) return [];
  const refusal = refusals(
    {
      ...wouldBe(found, networks),
      network: network.Name,
      ...{ kind: spec.kind, mode: spec.mode, ...(spec.mtu !== undefined && { mtu: spec.mtu }) },
      ...(spec.flag !== undefined && { flag: spec.flag }),
      ...{ internal: network.Internal, ipv6: network.EnableIPv6, subnets: subnetsOf(network) },
    },
    allow,
  );
  return refusal?.problems ?? [];
}

/** Of the parent, or of the link that its VLAN is made on; undefined for a dummy, which is made on nothing. */
async function factsOf(kernel: DoctorKernel, parent: ParentRef): Promise<ParentFacts | undefined> {
  if (parent.how === "dummy") return undefined;
  const facts = await kernel.parents.facts(parent);
  if (facts.link !== undefined || parent.how !== "vlan") return facts;
  // Who else uses the link below does not stand in a VLAN's way.
  return { ...(await kernel.parents.facts({ how: "name", name: parent.link })), children: [] };
}

function subnetsOf({ IPAM }: Chosen["network"]): Subnet[] {
  return IPAM.Config.flatMap(({ Subnet }) => {
    const pool = parseCidr(Subnet);
    return pool === undefined ? [] : [{ pool, aux: {} }];
  });
}

const problem = (subject: string, message: string): Problem => ({ subject, message });
