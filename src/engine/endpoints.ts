import { refusals } from "../conditions/judge.ts";
import { UnderlayError } from "../lib/errors.ts";
import { type Cidr, contains, formatCidr, type Ip, parseCidr } from "../lib/ip.ts";
import { deriveMac, type Mac } from "../lib/mac.ts";
import type { Attachment, EndpointRequest, Subnet } from "../lib/request.ts";
import { settleAll } from "../lib/settle.ts";
import type { FoundParent } from "../links/parent/parents.ts";
import { aliasOf } from "../links/survey.ts";
import { type Context, endpointsOf, judgedOf } from "./context.ts";
import { Joined } from "./queues.ts";
import { type EndpointRecord, linkNameOfEndpoint, type NetworkRecord, subnetsOf } from "./records.ts";

/** Endpoints: declared with an address and a MAC, provisioned with a link, forgotten with both. */
export interface Endpoints {
  declare(request: EndpointRequest): Promise<EndpointRecord>;
  provision(owner: string): Promise<Attachment>;
  forget(owner: string): Promise<void>;
  /** When the endpoint was last spoken of, in the clock's milliseconds; 0 = not since this process started. */
  lastCall(owner: string): number;
}

export function endpointsOn(context: Context): Endpoints {
  const { endpoints, networks, queues, step, log } = context;
  const provisioning = new Joined<Attachment>();
  const forgetting = new Joined<void>();
  const calls = new Map<string, number>();

  /**
   * One declare at a time in a network: two of them must not both find an address or a MAC free. The endpoint's own
   * queue is joined only then: whoever supersedes an endpoint waits for its queue, and would wait for ever if a
   * declare stood in it that waits for its turn.
   */
  async function declare(request: EndpointRequest): Promise<EndpointRecord> {
    knownNetwork(request.network);
    calls.set(request.owner, context.clock());
    return queues.run([declareKey(request.network)], () =>
      queues.run([endpointKey(request.owner)], () => declareNow(request)),
    );
  }

  async function declareNow(request: EndpointRequest): Promise<EndpointRecord> {
    const network = knownNetwork(request.network);
    for (const address of request.addresses) subnetFor(network, address);
    const wanted = recordOf(network, request);
    const existing = endpoints.get(request.owner);
    if (existing) return requireSame(existing, wanted);
    await supersede(wanted);
    if (inheritedMac(network) === undefined) requireFreeMac(network, wanted);
    step("endpoint.declare.before-record");
    await endpoints.put(wanted);
    step("endpoint.declare.after-record");
    context.sightings.taken(wanted);
    if (wanted.publishes.length > 0) {
      log("warn", "published ports do nothing on a LAN: the container's own address serves them", {
        endpoint: wanted.owner,
        ports: wanted.publishes.join(" "),
      });
    }
    return wanted;
  }

  function recordOf(network: NetworkRecord, request: EndpointRequest): EndpointRecord {
    return {
      owner: request.owner,
      network: request.network,
      state: "declared",
      addresses: request.addresses.map(formatCidr),
      mac: request.mac ?? inheritedMac(network) ?? stableMac(network, request),
      macChosenByUser: request.mac !== undefined,
      ...(request.ifname !== undefined && { ifname: request.ifname }),
      publishes: request.publishes,
      bootId: context.bootId,
      createdAt: new Date(context.clock()).toISOString(),
    };
  }

  function inheritedMac({ kind, spec, parent }: NetworkRecord): Mac | undefined {
    return context.drivers[kind].inheritedMac(spec, parent);
  }

  /**
   * The same for the same address on the same parent, also after the network was made anew: switches, reservations
   * and ARP caches of the LAN stay right. The store's seed keeps two hosts apart. Without an address it is the
   * endpoint's own.
   */
  function stableMac(network: NetworkRecord, request: EndpointRequest): Mac {
    const { seed } = context.store;
    const address = request.addresses[0];
    if (!address) return deriveMac(seed, request.owner);
    return deriveMac(seed, network.parent.name, formatCidr(address));
  }

  /** Whoever got the address from the allocator is its owner; a record that still has it was left by a crash. */
  async function supersede(wanted: EndpointRecord): Promise<void> {
    const taken = new Set(wanted.addresses);
    const former = endpointsOf(context, wanted.network).filter(
      ({ owner, addresses }) => owner !== wanted.owner && addresses.some((address) => taken.has(address)),
    );
    for (const { owner, addresses } of former) {
      log("info", "an endpoint that was never released gave way to a new one", {
        endpoint: owner,
        address: addresses.join(" "),
      });
      await forget(owner);
    }
  }

  function requireFreeMac(network: NetworkRecord, wanted: EndpointRecord): void {
    const sameParent = (other: NetworkRecord | undefined) =>
      other !== undefined && other.parent.ifindex === network.parent.ifindex;
    const holder = endpoints.list().find(({ mac, owner, network: of, state }) => {
      return (
        mac === wanted.mac && owner !== wanted.owner && state !== "removing" && sameParent(networks.get(of))
      );
    });
    if (!holder) return;
    throw new UnderlayError(
      "conflict",
      `MAC address ${wanted.mac} is in use by endpoint ${holder.owner} (${holder.addresses.join(" ")}) on the same ` +
        "parent; choose another one, or remove that container first",
      { inputs: { endpoint: wanted.owner, mac: wanted.mac } },
    );
  }

  async function provision(owner: string): Promise<Attachment> {
    calls.set(owner, context.clock());
    return provisioning.run(owner, () => queues.run([endpointKey(owner)], () => provisionNow(owner)));
  }

  async function provisionNow(owner: string): Promise<Attachment> {
    const record = endpoints.get(owner);
    if (!record) throw unknown("endpoint", owner);
    const network = knownNetwork(record.network);
    const linkName = linkNameOfEndpoint(record);
    await context.reaper.settled(linkName);
    await macReleased(record);
    const parent = await usableParent(network);
    step("endpoint.provision.before-link");
    await createLink(network, record, parent);
    step("endpoint.provision.after-link");
    if (record.state !== "provisioned") await endpoints.put({ ...record, state: "provisioned" });
    step("endpoint.provision.after-record");
    return {
      linkName,
      ...(record.ifname !== undefined && { ifname: record.ifname }),
      gateways: gatewaysOf(network, record),
    };
  }

  /** A link with this MAC that is on its way out must be gone, or the kernel answers EADDRINUSE when ours goes up. */
  async function macReleased(record: EndpointRecord): Promise<void> {
    const leaving = endpoints
      .list()
      .filter(
        ({ mac, owner, state }) => mac === record.mac && owner !== record.owner && state === "removing",
      );
    await Promise.all(leaving.map((other) => context.reaper.settled(linkNameOfEndpoint(other))));
  }

  async function usableParent(network: NetworkRecord): Promise<FoundParent> {
    const parent = await context.parents.find(network.spec.parent, network.parent);
    if (!parent) throw await explained(network, undefined);
    if (!parent.up) {
      await context.parents.bringUp(parent.ifindex);
      log("warn", "the parent was down and was brought up", { network: network.owner, parent: parent.name });
    }
    return parent;
  }

  async function createLink(
    network: NetworkRecord,
    record: EndpointRecord,
    parent: FoundParent,
  ): Promise<void> {
    try {
      await context.drivers[network.kind].create({
        name: linkNameOfEndpoint(record),
        parentIfindex: parent.ifindex,
        mac: record.mac,
        alias: aliasOf(record.owner),
        spec: network.spec,
      });
    } catch (thrown) {
      if (!(thrown instanceof UnderlayError) || thrown.code !== "kernel") throw thrown;
      throw await explained(network, thrown);
    }
  }

  /** The kernel's word in the words of the condition behind it; the kernel's own only when no condition holds. */
  async function explained(
    network: NetworkRecord,
    failure: UnderlayError | undefined,
  ): Promise<UnderlayError> {
    const facts = await context.parents.facts(network.spec.parent, network.parent);
    const trial = failure && {
      trial: { outcome: "failed", errno: failure.errno ?? "", text: failure.kernelText ?? "" } as const,
    };
    const refusal = refusals(judgedOf(context, network, { ...facts, ...trial }), network.allow);
    if (refusal) return refusal;
    return failure ?? new UnderlayError("refused", `parent ${network.parent.name} is missing`);
  }

  async function forget(owner: string): Promise<void> {
    return forgetting.run(owner, () => queues.run([endpointKey(owner)], () => forgetNow(owner)));
  }

  async function forgetNow(owner: string): Promise<void> {
    const record = endpoints.get(owner);
    if (!record) return;
    step("endpoint.forget.before-intent");
    await settleAll([
      async () => {
        if (record.state !== "removing") await endpoints.put({ ...record, state: "removing" });
        step("endpoint.forget.after-intent");
      },
      async () => {
        await context.reaper.delete(linkNameOfEndpoint(record));
        step("endpoint.forget.after-link");
      },
      async () => {
        await endpoints.delete(owner);
        calls.delete(owner);
        step("endpoint.forget.after-record");
      },
    ]);
  }

  function knownNetwork(owner: string): NetworkRecord {
    const network = networks.get(owner);
    if (!network || network.state === "removing") throw unknown("network", owner);
    return network;
  }

  return { declare, provision, forget, lastCall: (owner) => calls.get(owner) ?? 0 };
}

export function endpointKey(owner: string): string {
  return `endpoint ${owner}`;
}

function declareKey(network: string): string {
  return `declare ${network}`;
}

function unknown(what: "network" | "endpoint", owner: string): UnderlayError {
  return new UnderlayError("not_found", `${what} ${owner} is not known to Underlay`, {
    inputs: { [what]: owner },
  });
}

function requireSame(existing: EndpointRecord, wanted: EndpointRecord): EndpointRecord {
  const same =
    Bun.deepEquals(existing.addresses, wanted.addresses) &&
    existing.ifname === wanted.ifname &&
    (existing.mac === wanted.mac || !wanted.macChosenByUser);
  if (same && existing.state !== "removing") return existing;
  throw new UnderlayError("conflict", `endpoint ${wanted.owner} exists already with another address or MAC`, {
    inputs: { endpoint: wanted.owner },
  });
}

/** The subnet that an endpoint's address belongs to: same prefix length, and it contains the address. */
function subnetFor(network: NetworkRecord, address: Cidr): Subnet {
  const subnet = findSubnet(network, address);
  if (subnet) return subnet;
  const pools = network.subnets.map(({ pool }) => pool).join(", ") || "none";
  throw new UnderlayError(
    "invalid_option",
    `address ${formatCidr(address)} is in no subnet of network ${network.owner} (it has: ${pools})`,
    { inputs: { network: network.owner, address: formatCidr(address) } },
  );
}

function findSubnet(network: NetworkRecord, address: Cidr): Subnet | undefined {
  return subnetsOf(network).find(({ pool }) => pool.prefix === address.prefix && contains(pool, address.ip));
}

function gatewaysOf(network: NetworkRecord, record: EndpointRecord): Ip[] {
  if (network.internal) return [];
  return record.addresses.flatMap((text) => {
    const address = parseCidr(text);
    const gateway = address && findSubnet(network, address)?.gateway;
    return gateway ? [gateway] : [];
  });
}
