import type { RouteFacts } from "../lib/facts.ts";
import {
  type Cidr,
  contains,
  type Family,
  formatCidr,
  formatIp,
  type Ip,
  networkOf as networkAddress,
  overlaps,
  parseCidr,
  sameIp,
} from "../lib/ip.ts";
import type { Subnet } from "../lib/request.ts";
import type { Condition, Judged } from "./condition.ts";
import { createCommand, evidenceOfMany, networkOf, parentOf, routable, routesOnLink } from "./say.ts";

/** What Docker swallows: requests that are accepted and then do not do what the user believes. */

const unreserved: Condition = {
  id: "UL-I03",
  title: "the LAN's router can be given to a container",
  severity: "warn",
  refuses: false,
  confidence: "likely",
  explain:
    "The router that this host uses lies inside the network's subnet, and nothing keeps its address back. Docker " +
    "hands out the lowest free address, so a container will sooner or later answer for the router and the LAN " +
    "loses its way out. An --ip-range is not told to drivers; if it leaves the router out, all is well.",
  judge(judged) {
    if (routesOnLink(judged)) return [];
    return judged.parent.routers
      .filter((router) => judged.subnets.some((subnet) => canHandOut(subnet, router)))
      .map((router) => ({
        subject: networkOf(judged),
        message: `${formatIp(router)} is this LAN's router, and a container can be given its address`,
        evidence: [
          { source: `default route through ${judged.parent.asked}`, value: `next hop ${formatIp(router)}` },
          { source: "subnets asked for", value: judged.subnets.map(subnetWords).join(", ") },
        ],
        fix: [
          { say: "name it as the gateway", run: createCommand(withGateway(judged, router), {}) },
          { say: `or keep it: --aux-address router=${formatIp(router)}, or an --ip-range without it` },
        ],
      }));
  },
};

function canHandOut(subnet: Subnet, ip: Ip): boolean {
  const kept = [...Object.values(subnet.aux), ...(subnet.gateway === undefined ? [] : [subnet.gateway])];
  // 0.0.0.0/0 is Docker's word for "no addresses at all" (`--ipam-driver null`).
  return subnet.pool.prefix > 0 && contains(subnet.pool, ip) && !kept.some((other) => sameIp(other, ip));
}

function subnetWords(subnet: Subnet): string {
  const gateway = subnet.gateway === undefined ? "no gateway" : `gateway ${formatIp(subnet.gateway)}`;
  return `${formatCidr(subnet.pool)} (${gateway})`;
}

function withGateway(judged: Judged, gateway: Ip): Judged {
  const subnets = judged.subnets.map((subnet) =>
    canHandOut(subnet, gateway) ? { ...subnet, gateway } : subnet,
  );
  return { ...judged, subnets };
}

/** default-address-pools of dockerd: 172.17-31.0.0/16, and 192.168.0.0/16 in pieces of /20. */
const DOCKER_POOLS: readonly { readonly within: string; readonly prefix: number }[] = [
  { within: "172.17.0.0/16", prefix: 16 },
  { within: "172.18.0.0/15", prefix: 16 },
  { within: "172.20.0.0/14", prefix: 16 },
  { within: "172.24.0.0/13", prefix: 16 },
  { within: "192.168.0.0/16", prefix: 20 },
];

function isDockerPool(pool: Cidr): boolean {
  return DOCKER_POOLS.some(({ within, prefix }) => {
    const whole = pool.prefix === prefix ? parseCidr(within) : undefined;
    return whole !== undefined && contains(whole, pool.ip);
  });
}

const poolOfDocker: Condition = {
  id: "UL-I16",
  title: "subnet is one that Docker chose",
  severity: "warn",
  refuses: false,
  confidence: "likely",
  explain:
    "Without --subnet Docker takes the next free one of its own default pools, which has nothing to do with the " +
    "LAN behind the parent: containers get addresses that no router and no other host there knows. An IPv6 --subnet " +
    "without --ipv6 leaves the same trace: Docker drops it without a word, and a driver never hears of it.",
  judge(judged) {
    if (routesOnLink(judged)) return [];
    return judged.subnets
      .filter(
        ({ pool }) =>
          isDockerPool(pool) && !judged.parent.link?.addresses.some(({ ip }) => contains(pool, ip)),
      )
      .map(({ pool }) => ({
        subject: networkOf(judged),
        message: `${formatCidr(pool)} looks like one of Docker's own pools: was --subnet forgotten?`,
        evidence: [
          { source: "subnet from Docker's IPAM", value: formatCidr(pool) },
          { source: `addresses of ${judged.parent.asked}`, value: addressWords(judged) },
        ],
        fix: [
          {
            say: `give the LAN's own subnet${routable(judged.parent.link?.addresses ?? []).length > 0 ? "" : ", not the one of this example"}`,
            run: createCommand(lanSubnets(judged), {}),
          },
          { say: "and --ipv6 beside an IPv6 --subnet, which Docker drops otherwise" },
        ],
      }));
  },
};

function addressWords(judged: Judged): string {
  return (
    routable(judged.parent.link?.addresses ?? [])
      .map(formatCidr)
      .join(", ") || "none"
  );
}

const EXAMPLE: Subnet = {
  pool: { ip: { family: 4, bytes: Uint8Array.of(192, 168, 1, 0) }, prefix: 24 },
  aux: {},
};

/**
 * The request as it would be with the parent's own subnets and routers, in the families that were asked for. Of a
 * family that the parent has no address of, subnets stay what they were; an example stands for a pool of Docker's.
 */
function lanSubnets(judged: Judged): Judged {
  const families = new Set(judged.subnets.map(({ pool }) => pool.ip.family));
  return { ...judged, subnets: [...families].flatMap((family) => lanSubnetsOf(judged, family)) };
}

function lanSubnetsOf(judged: Judged, family: Family): readonly Subnet[] {
  const addresses = routable(judged.parent.link?.addresses ?? []).filter(({ ip }) => ip.family === family);
  const asked = judged.subnets.filter(({ pool }) => pool.ip.family === family);
  if (addresses.length === 0) return asked.map((one) => (isDockerPool(one.pool) ? EXAMPLE : one));
  return addresses.map((cidr) => {
    const pool = { ip: networkAddress(cidr), prefix: cidr.prefix };
    const gateway = judged.parent.routers.find((router) => contains(pool, router));
    return { pool, aux: {}, ...(gateway === undefined ? {} : { gateway }) };
  });
}

const poolElsewhere: Condition = {
  id: "UL-I05",
  title: "the host routes part of the subnet elsewhere",
  onSwitches: true,
  severity: "warn",
  refuses: false,
  confidence: "possible",
  explain:
    "A route of this host sends addresses of the network's subnet through another link: a VPN, a bridge of Docker, a " +
    "second NIC. Containers do not use the host's routes, but the host looks for them in the wrong place, and one of " +
    "two networks with the same addresses is out of reach.",
  judge(judged) {
    return judged.subnets.flatMap(({ pool }) => {
      const routes = judged.parent.routesElsewhere.filter((route) => takesFrom(route, pool, judged));
      const [first] = routes;
      if (first === undefined) return [];
      return [
        {
          subject: networkOf(judged),
          ...(routes.every((route) => isSameLan(route, pool, judged)) && { severity: "info" as const }),
          message: `${formatCidr(pool)} overlaps ${formatCidr(first.destination)}, which this host routes through ${first.link}`,
          evidence: evidenceOfMany(routes, ({ destination, link }) => ({
            source: "RTM_GETROUTE dump",
            value: `${formatCidr(destination)} through ${link}, not ${judged.parent.asked}`,
          })),
          fix: [
            { say: "use a subnet that nothing else here has; this lists the routes", run: "ip route show" },
            { say: "or leave it, if this host needs to reach no container there" },
          ],
        },
      ];
    });
  },
};

/** A NIC of the containers' own, without an address, beside the host's NIC in the same LAN: often meant so. */
function isSameLan({ destination }: RouteFacts, pool: Cidr, judged: Judged): boolean {
  const own = routable(judged.parent.link?.addresses ?? []);
  return own.length === 0 && destination.prefix === pool.prefix;
}

/** A route gives way to the parent's own when that is as narrow or narrower. A pool of /0 is "no addresses at all". */
function takesFrom({ destination }: RouteFacts, pool: Cidr, judged: Judged): boolean {
  const own = judged.parent.link?.addresses ?? [];
  const covered = own.some(
    (address) =>
      overlaps(address, pool) && address.prefix >= destination.prefix && contains(destination, address.ip),
  );
  return pool.prefix > 0 && overlaps(destination, pool) && !covered;
}

const poolOffLan: Condition = {
  id: "UL-I17",
  title: "parent has no address in any of the subnets",
  severity: "warn",
  refuses: false,
  confidence: "possible",
  explain:
    "The parent has addresses, so the LAN behind it is known, but the network's subnets are others. That is right " +
    "when the LAN carries several subnets; more often the subnet is misspelt, and containers reach nobody.",
  hiddenBy: ["UL-I16", "UL-I05"],
  judge(judged) {
    if (routesOnLink(judged)) return [];
    const addresses = routable(judged.parent.link?.addresses ?? []);
    const shared = judged.subnets.some(({ pool }) => addresses.some(({ ip }) => contains(pool, ip)));
    if (addresses.length === 0 || judged.subnets.length === 0 || shared) return [];
    return [
      {
        subject: networkOf(judged),
        message: `${parentOf(judged).name} has no address in any subnet of the network`,
        evidence: [
          { source: `RTM_GETADDR of ${parentOf(judged).name}`, value: addressWords(judged) },
          { source: "subnets asked for", value: judged.subnets.map(subnetWords).join(", ") },
        ],
        fix: [
          { say: "use the parent's own subnet", run: createCommand(lanSubnets(judged), {}) },
          { say: "or leave it, if the LAN carries this subnet too" },
        ],
      },
    ];
  },
};

export const NETWORK_CONDITIONS: readonly Condition[] = [unreserved, poolOfDocker, poolElsewhere, poolOffLan];
