import type { ChildFacts, LinkFacts, ParentFacts, TrialFacts } from "../lib/facts.ts";
import { type Cidr, type Ip, parseCidr, parseIp } from "../lib/ip.ts";
import type { Subnet } from "../lib/request.ts";
import type { Judged, JudgedEndpoint } from "./condition.ts";

/** A healthy network on a healthy parent, and the pieces to break it with. */

export function ip(text: string): Ip {
  const value = parseIp(text);
  if (value === undefined) throw new Error(`no address: ${text}`);
  return value;
}

export function cidr(text: string): Cidr {
  const value = parseCidr(text);
  if (value === undefined) throw new Error(`no prefix: ${text}`);
  return value;
}

export function subnet(pool: string, gateway?: string, aux: Readonly<Record<string, string>> = {}): Subnet {
  return {
    pool: cidr(pool),
    aux: Object.fromEntries(Object.entries(aux).map(([name, text]) => [name, ip(text)])),
    ...(gateway === undefined ? {} : { gateway: ip(gateway) }),
  };
}

export function link(change: Partial<LinkFacts> = {}): LinkFacts {
  return {
    ifindex: 2,
    name: "eth0",
    altNames: [],
    hardwareType: 1,
    up: true,
    loopback: false,
    carrier: true,
    mtu: 1500,
    addresses: [cidr("192.168.1.5/24"), cidr("fe80::1/64")],
    ...change,
  };
}

export function child(change: Partial<ChildFacts> = {}): ChildFacts {
  return {
    kind: "macvlan",
    name: "mv0",
    ifindex: 7,
    mode: "bridge",
    mtu: 1500,
    netns: { inode: 4026531840, path: "host" },
    ours: false,
    ...change,
  };
}

export function parent(change: Partial<ParentFacts> = {}): ParentFacts {
  return {
    asked: "eth0",
    link: link(),
    candidates: [],
    children: [],
    trial: { outcome: "made" },
    routers: [ip("192.168.1.1")],
    routesElsewhere: [],
    ...change,
  };
}

/** The parent is not there. */
export function missing(asked: string, candidates: readonly string[] = []): ParentFacts {
  return { asked, candidates, children: [], routers: [], routesElsewhere: [] };
}

export function judged(change: Partial<Judged> = {}): Judged {
  return {
    network: "lan",
    exists: false,
    kind: "macvlan",
    mode: "bridge",
    ipv6: false,
    internal: false,
    subnets: [subnet("192.168.1.0/24", "192.168.1.1")],
    parent: parent(),
    neighbours: [],
    endpoints: [],
    released: [],
    ...change,
  };
}

export function endpoint(change: Partial<JudgedEndpoint> = {}): JudgedEndpoint {
  return { name: "docker:abc/def", addresses: ["192.168.1.7/24"], publishesInVain: [], ...change };
}

/** A trial link that the kernel refused. */
export function refused(errno: string, text = ""): TrialFacts {
  return { outcome: "failed", errno, text };
}
