import { CARRYING_CASES } from "./carrying.fixture.ts";
import type { Judged } from "./condition.ts";
import { cidr, endpoint, judged, link, parent, refused, subnet } from "./judged.fixture.ts";
import { PARENT_CASES } from "./parents.fixture.ts";
import { PROBE_CASES } from "./probe.fixture.ts";

/** Requests in which a condition holds, with its message, and near misses in which it does not. */
export interface Cases {
  readonly holds: readonly { readonly judged: Judged; readonly message: string }[];
  readonly not: readonly Judged[];
}

const busy = refused("EBUSY", "Device or resource busy");
const invalid = refused("EINVAL", "Invalid argument");

/** With a route of the host through another link. */
function through(destination: string, pool: string): Judged {
  const routesElsewhere = [{ destination: cidr(destination), link: "wg0" }];
  return judged({ subnets: [subnet(pool)], parent: parent({ routers: [], routesElsewhere }) });
}

/** The trial was of the parent that the network is to have. */
function ofVlan(trial: ReturnType<typeof refused>) {
  return { ...trial, kind: "vlan" };
}

const OTHER_CASES: Readonly<Record<string, Cases>> = {
  "UL-K01": {
    holds: [
      {
        judged: judged({ parent: parent({ trial: refused("EOPNOTSUPP", "Unknown device type") }) }),
        message: "this kernel cannot make macvlan links: module macvlan is missing",
      },
      {
        judged: judged({ parent: parent({ trial: refused("ENODEV", "Unknown device type") }) }),
        message: "this kernel cannot make macvlan links: module macvlan is missing",
      },
      {
        judged: judged({ parent: parent({ trial: ofVlan(refused("EOPNOTSUPP", "Unknown device type")) }) }),
        message: "this kernel cannot make vlan links: module 8021q is missing",
      },
    ],
    not: [
      judged(),
      judged({ parent: parent({ trial: refused("ENODEV", "No such device") }) }),
      judged({
        parent: parent({ trial: ofVlan(refused("EOPNOTSUPP", "8021q: VLANs not supported on device")) }),
      }),
    ],
  },
  "UL-K10": {
    holds: [
      {
        judged: judged({
          parent: parent({ trial: ofVlan(refused("EOPNOTSUPP", "8021q: VLANs not supported on device")) }),
        }),
        message: "no vlan can be made on eth0: 8021q: VLANs not supported on device",
      },
      {
        judged: judged({ parent: parent({ trial: busy }) }),
        message: "no macvlan can be made on eth0: something unseen from here receives the frames of eth0",
      },
      {
        judged: judged({ parent: parent({ trial: invalid }) }),
        message: "no macvlan can be made on eth0: eth0 is unfit, or held by a passthru link unseen from here",
      },
      {
        judged: judged({ parent: parent({ trial: refused("EPERM") }) }),
        message: "no macvlan can be made on eth0: this process may not make links",
      },
      {
        judged: judged({ parent: parent({ trial: refused("ENOSPC", "No space left on device") }) }),
        message: "no macvlan can be made on eth0: No space left on device",
      },
      {
        judged: judged({ parent: parent({ trial: refused("ENOMEM") }) }),
        message: "no macvlan can be made on eth0: Cannot allocate memory",
      },
    ],
    not: [judged()],
  },
  "UL-I03": {
    holds: [
      {
        judged: judged({ subnets: [subnet("192.168.1.0/24")] }),
        message: "192.168.1.1 is this LAN's router, and a container can be given its address",
      },
      {
        judged: judged({ subnets: [subnet("192.168.1.0/24", "192.168.1.254")] }),
        message: "192.168.1.1 is this LAN's router, and a container can be given its address",
      },
    ],
    not: [
      judged({ kind: "ipvlan", mode: "l3", subnets: [subnet("192.168.1.0/24")] }),
      judged(),
      judged({ subnets: [subnet("192.168.1.0/24", undefined, { router: "192.168.1.1" })] }),
      judged({ subnets: [subnet("192.168.1.128/25")] }),
      judged({ subnets: [subnet("0.0.0.0/0")] }),
      judged({ subnets: [] }),
    ],
  },
  "UL-I16": {
    holds: [
      {
        judged: judged({ subnets: [subnet("172.18.0.0/16", "172.18.0.1")] }),
        message: "172.18.0.0/16 looks like one of Docker's own pools: was --subnet forgotten?",
      },
      {
        judged: judged({
          subnets: [subnet("192.168.48.0/20")],
          parent: parent({ link: link({ addresses: [] }) }),
        }),
        message: "192.168.48.0/20 looks like one of Docker's own pools: was --subnet forgotten?",
      },
    ],
    not: [
      judged({ kind: "ipvlan", mode: "l3s", subnets: [subnet("172.18.0.0/16")] }),
      judged(),
      judged({ subnets: [subnet("172.16.0.0/16")] }),
      judged({ subnets: [subnet("172.32.0.0/16")] }),
      judged({ subnets: [subnet("172.18.0.0/24")] }),
      judged({
        subnets: [subnet("172.18.0.0/16")],
        parent: parent({ link: link({ addresses: [cidr("172.18.3.4/16")] }) }),
      }),
    ],
  },
  "UL-I05": {
    holds: [
      {
        judged: through("10.9.0.0/16", "10.9.0.0/24"),
        message: "10.9.0.0/24 overlaps 10.9.0.0/16, which this host routes through wg0",
      },
      // Narrower than the parent's own route, so it wins.
      {
        judged: through("192.168.1.128/25", "192.168.1.0/24"),
        message: "192.168.1.0/24 overlaps 192.168.1.128/25, which this host routes through wg0",
      },
    ],
    not: [
      judged(),
      through("10.8.0.0/16", "10.9.0.0/24"),
      through("192.168.0.0/16", "192.168.1.0/24"),
      // Two NICs in one LAN.
      through("192.168.1.0/24", "192.168.1.0/24"),
      through("10.9.0.0/16", "0.0.0.0/0"),
    ],
  },
  "UL-I17": {
    holds: [
      {
        judged: judged({ subnets: [subnet("10.9.0.0/24")] }),
        message: "eth0 has no address in any subnet of the network",
      },
    ],
    not: [
      judged({ kind: "ipvlan", mode: "l3", subnets: [subnet("10.9.0.0/24")] }),
      judged(),
      judged({ subnets: [subnet("10.9.0.0/24"), subnet("192.168.1.0/24", "192.168.1.1")] }),
      judged({ subnets: [] }),
      judged({
        subnets: [subnet("10.9.0.0/24")],
        parent: parent({ link: link({ addresses: [cidr("fe80::1/64")] }) }),
      }),
    ],
  },
  "UL-R04": {
    holds: [
      {
        judged: judged({ endpoints: [endpoint({ publishesInVain: ["8080:80/tcp"] })] }),
        message: "-p 8080:80/tcp has no effect on this network: it is the LAN itself",
      },
      {
        judged: judged({ endpoints: [endpoint({ publishesInVain: ["80:80/tcp", "443:443/tcp"] })] }),
        message: "-p 80:80/tcp (and 1 more) has no effect on this network: it is the LAN itself",
      },
    ],
    not: [judged({ endpoints: [endpoint()] })],
  },
  "UL-R05": {
    holds: [
      {
        judged: judged({ endpoints: [endpoint({ unattachedSince: "2026-01-01T00:00:00Z" })] }),
        message: "the endpoint 192.168.1.7/24 has no container",
      },
      {
        judged: judged({ released: [{ addresses: ["192.168.1.8/24"], at: "2026-01-01T00:00:00Z" }] }),
        message: "the endpoint 192.168.1.8/24 had no container and was released",
      },
    ],
    not: [judged({ endpoints: [endpoint()] })],
  },
  "UL-R06": {
    holds: [
      {
        judged: judged({ hostTrouble: { link: "ulh-abcdefghijkl", error: "parent eth0 has no address" } }),
        message: "the host may not reach the containers: parent eth0 has no address",
      },
    ],
    not: [judged(), judged({ endpoints: [endpoint()] })],
  },
};

export const CASES: Readonly<Record<string, Cases>> = {
  ...PARENT_CASES,
  ...CARRYING_CASES,
  ...PROBE_CASES,
  ...OTHER_CASES,
};
