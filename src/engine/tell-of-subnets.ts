import type { OwnSubnet } from "../links/driver.ts";
import type { Context } from "./context.ts";
import type { NetworkRecord } from "./records.ts";

/** What the log says of a new network's subnets and gateways where they are not what somebody may believe. */
export function tellOfSubnets(context: Context, network: NetworkRecord): void {
  tellOfGateways(context, network);
  tellOverridden(context, network);
}

/** Docker up to 27 makes one up for every subnet, so it is no error. */
function tellOfGateways({ drivers, log }: Context, { owner, kind, spec, subnets }: NetworkRecord): void {
  const gateways = subnets.flatMap(({ gateway }) => gateway ?? []);
  if (gateways.length === 0 || !drivers[kind].routesOnLink(spec)) return;
  log("info", `${kind} in mode ${spec.mode} sends everything to its link: the gateway has no use`, {
    network: owner,
    gateway: gateways.join(" "),
  });
}

/** That another brings subnets is usual; that somebody has set others is not, and he would look for them in vain. */
function tellOverridden({ log }: Context, { owner, kind, spec, subnets, allocates }: NetworkRecord): void {
  const chosen = (spec.ownSubnets ?? []).filter(({ isChosen }) => isChosen);
  const isThere = ({ pool, gateway }: OwnSubnet) =>
    subnets.some((given) => given.pool === pool && given.gateway === gateway);
  if (allocates || chosen.every(isThere)) return;
  const words = ({ pool, gateway }: OwnSubnet) =>
    gateway === undefined ? pool : `${pool} gateway ${gateway}`;
  log(
    "warn",
    `subnet and gateway of [${kind}] do not count: Docker's IPAM gives others; --ipam-driver null does not`,
    {
      network: owner,
      configured: chosen.map(words).join(", "),
      given: subnets.map(words).join(", "),
    },
  );
}
