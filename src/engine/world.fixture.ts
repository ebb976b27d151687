import { UnderlayError } from "../lib/errors.ts";
import type { ChildFacts, LinkFacts, ParentFacts, RouteFacts, TrialFacts } from "../lib/facts.ts";
import { linkNameOf, OUR_LINK_GROUP } from "../lib/ifname.ts";
import { type Cidr, formatCidr, formatIp, parseCidr, parseIp } from "../lib/ip.ts";
import { parseMac } from "../lib/mac.ts";
import type { EndpointRequest, NetworkRequest } from "../lib/request.ts";
import type { Birth, LinkSpec } from "../links/driver.ts";
import type { WantedHostLink } from "../links/host-link.ts";
import type { NatNetwork } from "../links/nat/rules.ts";
import type { ParentLinks } from "../links/parent/make.ts";
import type { Parents } from "../links/parent/parents.ts";
import { askedName } from "../links/parent/plan.ts";
import type { SurveyedLink } from "../links/survey.ts";
import { memoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import type { EngineParts } from "./context.ts";
import { createEngine } from "./create.ts";
import { worldDrivers, worldPorts } from "./drivers.fixture.ts";
import type { StepName } from "./steps.ts";

/**
 * A host in memory for tests of the engine alone: parents and links are maps, time stands still until it is moved.
 * What a real kernel does with the same calls is the business of test/live.
 */
export class World {
  now = Date.parse("2026-01-01T00:00:00Z");
  /** Of what has passed, as much was no time: NTP set the clock. */
  setForward = 0;
  bootId = "boot-1";
  store: Store = memoryStore();
  readonly parents = new Map<string, LinkFacts>([["eth0", parentLink("eth0", 2)]]);
  /** Indexes of parents with our birth mark. */
  readonly marked = new Set<number>();
  nextIfindex = 50;
  /** Index of a parent on which a link of somebody else hangs. */
  hangsOn: number | undefined;
  /** What the kernel says to a VLAN or a dummy. */
  parentFailure: UnderlayError | undefined;
  /** Locks of parents that are held. */
  readonly locked: string[] = [];
  readonly children: ChildFacts[] = [];
  /** Of the host, through other links than whichever is asked for. */
  routes: readonly RouteFacts[] = [];
  trial: TrialFacts = { outcome: "made" };
  /** Links in the home netns, by name. */
  readonly links = new Map<string, Birth<LinkSpec>>();
  /** Ports of a switch, by the owner of their link. */
  readonly ports = new Set<string>();
  detachFailure: UnderlayError | undefined;
  /** Owners of networks that have something on their parent beside endpoints. */
  readonly prepared = new Map<string, string>();
  /** Those that were taken away, and whether they were their parent's last. */
  readonly dismantled: [owner: string, isLast: boolean][] = [];
  prepareFailure: UnderlayError | undefined;
  /** Peers to which networks have tunnels, by owner. */
  readonly tunnels = new Map<string, readonly string[]>();
  /** What happens before a network gets what it has on its parent. */
  onPrepare: (owner: string) => Promise<void> = async () => undefined;
  /** Addresses of gateways, by link. */
  readonly gateways = new Map<string, readonly string[]>();
  nat: readonly NatNetwork[] = [];
  natFailure: UnderlayError | undefined;
  /** Owners of the host's ports. */
  readonly heldPorts = new Map<number, string>();
  /** What the host's own links were told, by name. */
  readonly hostLinks = new Map<string, WantedHostLink>();
  /** Owners whose link a container has. */
  readonly held = new Set<string>();
  /** Paths of netns in which a process lives. */
  readonly inhabited = new Set<string>();
  /** How many looks find a MAC held by a netns that is being taken apart. */
  macHeldFor = 0;
  looksAtMac = 0;
  /** Whether every netns can be looked into. */
  surveyComplete = true;
  readonly steps: StepName[] = [];
  /** What neighbours were told: index of the parent, and addresses. */
  readonly announced: [number, ...string[]][] = [];
  readonly logged: string[] = [];
  createFailure: UnderlayError | undefined;
  insideFailure: UnderlayError | undefined;
  deleteFailure: UnderlayError | undefined;
  bringUpFailure: UnderlayError | undefined;
  /** A delete under way, which others must wait for. */
  deleting: Promise<void> | undefined;
  onStep: (step: StepName) => void = () => undefined;
  /** What happens before a link is deleted. */
  onDelete: (name: string) => Promise<void> = async () => undefined;
  readonly looks: string[] = [];
  /** What happens while a parent is looked at. */
  onLook: () => Promise<void> = async () => undefined;

  start() {
    return createEngine(this.parts());
  }

  parts(): EngineParts {
    return {
      store: this.store,
      log: (_level, message) => void this.logged.push(message),
      clock: () => this.now,
      steady: () => this.now - this.setForward,
      pause: async (milliseconds) => {
        this.now += milliseconds;
      },
      bootId: this.bootId,
      staleAfter: 60_000,
      step: (step) => {
        this.steps.push(step);
        this.onStep(step);
      },
      drivers: worldDrivers(this),
      parents: {
        facts: this.#look,
        atOnce: async () => ({ facts: this.#look }),
        find: async (ref, memory) => this.parents.get("name" in ref ? ref.name : memory.name),
        bringUp: async (ifindex) => {
          if (this.bringUpFailure) throw this.bringUpFailure;
          this.#bringUp(ifindex);
        },
      },
      parentLinks: this.parentLinks(),
      hostLinks: {
        configure: async (name, wanted) => {
          const isSame = Bun.deepEquals(this.hostLinks.get(name), wanted);
          this.hostLinks.set(name, wanted);
          return !isSame;
        },
        look: async (name) => {
          const birth = this.links.get(name);
          const mac = birth?.mac ?? this.#linkAt(birth?.parentIfindex)?.mac;
          return birth && { parentIfindex: birth.parentIfindex, ...(mac && { mac }) };
        },
        remove: async (name) => {
          this.links.delete(name);
          return this.hostLinks.delete(name);
        },
        list: async () => [...this.hostLinks.keys()],
        addressesOf: async (ifindex) => this.#linkAt(ifindex)?.addresses.slice() ?? [],
      },
      lockParent: async (name) => {
        this.locked.push(name);
        return { release: () => void this.locked.splice(this.locked.indexOf(name), 1) };
      },
      gatewayAddresses: {
        set: async (link, wanted) => void this.gateways.set(link, wanted.map(formatCidr)),
      },
      nat: {
        apply: async (networks) => {
          if (this.natFailure) throw this.natFailure;
          this.nat = networks;
        },
      },
      hostPorts: worldPorts(this.heldPorts),
      announce: async (ifindex, ips) => void this.announced.push([ifindex, ...ips.map(formatIp)]),
      reaper: {
        delete: async (name) => {
          if (this.deleteFailure) throw this.deleteFailure;
          await this.onDelete(name);
          return this.links.delete(name);
        },
        settled: async () => this.deleting,
        idle: async () => undefined,
      },
      inside: {
        delete: async (_netns, owner) => {
          if (this.insideFailure) throw this.insideFailure;
          return this.held.delete(owner);
        },
        isInhabited: async (netns) => this.inhabited.has(netns),
      },
      survey: async () => ({ links: this.#survey(), complete: this.surveyComplete }),
    };
  }

  /** A kernel that has VLANs and dummies. */
  parentLinks(): ParentLinks {
    return {
      look: async (layer) => {
        const link = this.parents.get(askedName(layer));
        return link && { ifindex: link.ifindex, name: link.name, marked: this.marked.has(link.ifindex) };
      },
      names: async () => new Set(this.parents.keys()),
      make: async (layer) => {
        if (this.parentFailure) throw this.parentFailure;
        if (layer.kind === "vlan" && !this.parents.has(layer.lower)) throw new Error(`no ${layer.lower}`);
        const link = parentLink(layer.name, this.nextIfindex++);
        const altNames = layer.kind === "vlan" && layer.altName !== undefined ? [layer.altName] : [];
        this.parents.set(askedName(layer), { ...link, altNames });
        this.marked.add(link.ifindex);
        return link.ifindex;
      },
      finish: async () => undefined,
      users: async (_, ifindex) => (this.hangsOn === ifindex ? ["theirs"] : []),
      remove: async (_, ifindex) => {
        for (const [name, link] of this.parents) if (link.ifindex === ifindex) this.parents.delete(name);
      },
    };
  }

  #look: Parents["facts"] = async (ref, memory, limits) => {
    const facts = this.#facts("name" in ref ? ref.name : (memory?.name ?? ref.how));
    this.looks.push(facts.asked);
    return this.onLook().then(() => (limits?.children === false ? { ...facts, children: [] } : facts));
  };

  #facts(asked: string): ParentFacts {
    const link = this.parents.get(asked);
    const none = { candidates: [], routers: [], routesElsewhere: this.routes };
    return { asked, ...(link && { link }), ...none, children: this.children };
  }

  #linkAt(ifindex: number | undefined): LinkFacts | undefined {
    return [...this.parents.values()].find((link) => link.ifindex === ifindex);
  }

  #bringUp(ifindex: number): void {
    for (const [name, link] of this.parents) {
      if (link.ifindex === ifindex) this.parents.set(name, { ...link, up: true });
    }
  }

  #survey(): SurveyedLink[] {
    const home = { inode: 1, path: "host" };
    const container = { inode: 7, path: "/proc/7/ns/net" };
    const mac = "02:00:00:00:00:01";
    const atHome = [...this.links.values()].map(({ name, alias }) => {
      return { owner: alias.replace("underlay ", ""), name, ifindex: 9, mac, netns: home, home: true };
    });
    const elsewhere = [...this.held].map((owner) => {
      return { owner, name: "eth0", ifindex: 9, mac, netns: container, home: false };
    });
    return [...atHome, ...elsewhere];
  }

  /** dockerd takes the link into the container. */
  moveIn(owner: string): void {
    this.links.delete(linkNameOf(owner));
    this.held.add(owner);
  }
}

export function parentLink(name: string, ifindex: number): LinkFacts {
  const mac = parseMac(`02:00:00:00:00:${ifindex.toString(16).padStart(2, "0")}`);
  return {
    ifindex,
    name,
    altNames: [],
    hardwareType: 1,
    up: true,
    loopback: false,
    mtu: 1500,
    addresses: [],
    ...(mac && { mac }),
  };
}

export function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed) throw new RangeError(text);
  return parsed;
}

export function networkRequest(changes: Partial<NetworkRequest> = {}): NetworkRequest {
  const gateway = parseIp("10.6.0.1");
  return {
    owner: "docker:net1",
    kind: "macvlan",
    options: { parent: "eth0" },
    subnets: [{ pool: cidr("10.6.0.0/24"), ...(gateway && { gateway }), aux: {} }],
    internal: false,
    ipv6: false,
    ...changes,
  };
}

export function endpointRequest(id: string, changes: Partial<EndpointRequest> = {}): EndpointRequest {
  return {
    owner: `docker:net1/${id}`,
    network: "docker:net1",
    addresses: [cidr("10.6.0.7/24")],
    publishes: [],
    ...changes,
  };
}

export const busy = new UnderlayError("kernel", "create macvlan ul-x: EBUSY", { errno: "EBUSY" });

/** A child that somebody made by hand. */
export function strangerOn(mode: string): ChildFacts {
  return {
    kind: "macvlan",
    name: "mv0",
    ifindex: 40 + OUR_LINK_GROUP,
    mode,
    mtu: 1500,
    netns: { inode: 1, path: "host" },
    ours: false,
  };
}
