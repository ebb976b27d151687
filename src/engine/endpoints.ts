import { asUnderlayError, problemsError, UnderlayError } from "../lib/errors.ts";
import { linkNameOf } from "../lib/ifname.ts";
import { type Cidr, formatCidr, formatIp, parseCidr, sameIp } from "../lib/ip.ts";
import { ownerWords } from "../lib/owner.ts";
import type { Attachment, EndpointRequest } from "../lib/request.ts";
import { settleAll } from "../lib/settle.ts";
import type { EndpointSpec } from "../links/driver.ts";
import { subnetFor } from "./addresses.ts";
import { type Context, knownNetwork } from "./context.ts";
import { isHostAddress } from "./host-sources.ts";
import { isAlive, macConflict, macHolder, macOf } from "./macs.ts";
import { nextAddresses } from "./own-addresses.ts";
import { type ProvisionParts, provisioner } from "./provision.ts";
import { Joined } from "./queues.ts";
import { type EndpointRecord, linkNameOfEndpoint, type NetworkRecord } from "./records.ts";
import { NEVER } from "./sightings.ts";

/** Endpoints: declared with an address and a MAC, provisioned with a link, forgotten with both. */
export interface Endpoints {
  declare(request: EndpointRequest): Promise<EndpointRecord>;
  provision(owner: string, netns?: string): Promise<Attachment>;
  unprovision(owner: string): Promise<void>;
  forget(owner: string): Promise<void>;
  /** Forgets it if that still holds when its turn has come, and tells whether it did. */
  forgetIf(owner: string, holds: (record: EndpointRecord) => boolean): Promise<boolean>;
  /** When the endpoint was last spoken of, on the steady clock; `NEVER` = not since this process started. */
  lastCall(owner: string): number;
}

export function endpointsOn(context: Context, parts: ProvisionParts): Endpoints {
  const { hosts, gateways } = parts;
  const { endpoints, networks, queues, step, log } = context;
  const provisioning = new Joined<Attachment>();
  const forgetting = new Joined<void>();
  const provisionNow = provisioner(context, parts);
  const calls = new Map<string, number>();

  /**
   * One declare at a time in a network: two of them must not both find an address or a MAC free. The endpoint's own
   * queue is joined only then: whoever supersedes an endpoint waits for its queue, and would wait for ever if a
   * declare stood in it that waits for its turn.
   */
  async function declare(request: EndpointRequest): Promise<EndpointRecord> {
    knownNetwork(context, request.network);
    return queues.run([declareKey(request.network)], () =>
      queues.run([endpointKey(request.owner)], () => declareNow(request)),
    );
  }

  async function declareNow(request: EndpointRequest): Promise<EndpointRecord> {
    const network = knownNetwork(context, request.network);
    for (const address of request.addresses) {
      const { gateway } = subnetFor(network, address);
      if (network.spec.hostIsGateway && gateway && sameIp(gateway, address.ip))
        throw gatewaysOwn(network, address);
      if (isHostAddress(network, address)) throw hostsOwn(network, address);
    }
    const existing = endpoints.get(request.owner);
    const wanted = recordOf(network, addressed(network, request, existing), endpointSpec(network, request));
    if (existing) {
      calls.set(existing.owner, context.steady());
      return requireSame(existing, wanted);
    }
    await supersede(wanted);
    await claimMac(network, wanted);
    step("endpoint.declare.before-record");
    await endpoints.put(wanted);
    calls.set(wanted.owner, context.steady());
    step("endpoint.declare.after-record");
    context.sightings.taken(wanted);
    if (wanted.publishes.length > 0 && !network.spec.hostIsGateway) {
      log("warn", "published ports do nothing on a LAN: the container's own address serves them", {
        endpoint: wanted.owner,
        ports: wanted.publishes.join(" "),
      });
    }
    if (request.mac !== undefined && wanted.mac === undefined) {
      log("warn", "the MAC address made up for an allocator is not used: the link has its parent's", {
        endpoint: wanted.owner,
        mac: request.mac,
      });
    }
    return wanted;
  }

  /** With addresses of ours, where nobody else gives any. */
  function addressed(
    network: NetworkRecord,
    request: EndpointRequest,
    existing: EndpointRecord | undefined,
  ): EndpointRequest {
    if (!network.allocates || request.addresses.length > 0) return request;
    const addresses = existing
      ? existing.addresses.flatMap((text) => parseCidr(text) ?? [])
      : nextAddresses(context, network);
    return { ...request, addresses };
  }

  function endpointSpec(network: NetworkRecord, request: EndpointRequest): EndpointSpec | undefined {
    const parsed = context.drivers[network.kind].parseEndpoint(request.options ?? {}, network.spec);
    if ("spec" in parsed) return parsed.spec;
    throw problemsError("invalid_option", parsed.problems, { endpoint: request.owner });
  }

  function recordOf(
    network: NetworkRecord,
    request: EndpointRequest,
    spec: EndpointSpec | undefined,
  ): EndpointRecord {
    const mac = macOf(context, network, request);
    return {
      owner: request.owner,
      network: request.network,
      state: "declared",
      addresses: request.addresses.map(formatCidr),
      ...(mac !== undefined && { mac }),
      macChosenByUser: mac !== undefined && request.mac !== undefined,
      ...(request.ifname !== undefined && { ifname: request.ifname }),
      publishes: request.publishes,
      ...(spec !== undefined && { spec }),
      bootId: context.bootId,
      createdAt: new Date(context.clock()).toISOString(),
    };
  }

  /** Whoever got the address from the allocator is its owner; a record that still has it was left by a crash. */
  async function supersede(wanted: EndpointRecord): Promise<void> {
    const holders = wanted.addresses.flatMap((address) => endpoints.with("address", address));
    const former = new Set(
      holders.filter(({ owner, network }) => owner !== wanted.owner && network === wanted.network),
    );
    for (const { owner, addresses } of former) {
      log("info", "an endpoint that was never released gave way to a new one", {
        endpoint: owner,
        address: addresses.join(" "),
      });
      await forget(owner);
    }
  }

  /** As with addresses, but two living endpoints may well ask for one MAC: only what a crash left gives way. */
  async function claimMac(network: NetworkRecord, wanted: EndpointRecord): Promise<void> {
    const holder = macHolder(context, network, wanted);
    if (!holder) return;
    if (await isAlive(context, holder, calls.get(holder.owner) ?? 0)) throw macConflict(wanted, holder);
    log("info", "an endpoint that was never released gave way to a new one", {
      endpoint: holder.owner,
      mac: holder.mac,
    });
    await forget(holder.owner);
  }

  async function provision(owner: string, netns?: string): Promise<Attachment> {
    if (endpoints.get(owner)) calls.set(owner, context.steady());
    return provisioning.run(owner, () => queues.run([endpointKey(owner)], () => provisionNow(owner, netns)));
  }

  async function unprovision(owner: string): Promise<void> {
    return queues.run([endpointKey(owner)], () => unprovisionNow(owner));
  }

  async function unprovisionNow(owner: string): Promise<void> {
    const record = endpoints.get(owner);
    if (record?.state !== "provisioned" || record.netns === undefined) return;
    step("endpoint.unprovision.before-link");
    if (!(await isDeletedInside(owner, record.netns))) return;
    step("endpoint.unprovision.after-link");
    const { netns: _, ...rest } = record;
    await endpoints.put({ ...rest, state: "declared" });
    // No container has it any more: whoever wants its MAC need not wait.
    calls.delete(owner);
    step("endpoint.unprovision.after-record");
    await hosts.sync(record.network);
  }

  /**
   * Not while the container runs: a dockerd that does not find the link there keeps it on its list, gives its name to
   * no other, and has no counters of the container's links any more. A failure is told and no more: the endpoint is
   * forgotten next, and its link with it.
   */
  async function isDeletedInside(owner: string, netns: string): Promise<boolean> {
    try {
      if (await context.inside.isInhabited(netns)) return false;
      return await context.inside.delete(netns, owner);
    } catch (thrown) {
      const { message } = asUnderlayError(thrown);
      log("warn", "a link could not be deleted in its container", { endpoint: owner, netns, error: message });
      return false;
    }
  }

  async function forget(owner: string): Promise<void> {
    return forgetting.run(owner, () => queues.run([endpointKey(owner)], () => forgetNow(owner)));
  }

  async function forgetIf(owner: string, holds: (record: EndpointRecord) => boolean): Promise<boolean> {
    return queues.run([endpointKey(owner)], async () => {
      const record = endpoints.get(owner);
      if (!record || !holds(record)) return false;
      await forgetNow(owner);
      return true;
    });
  }

  /** The name of its link tells of its owner, so the link goes also when the record was lost. */
  async function forgetNow(owner: string): Promise<void> {
    const record = endpoints.get(owner);
    if (!record) {
      await context.reaper.delete(linkNameOf(owner));
      return;
    }
    step("endpoint.forget.before-intent");
    await settleAll([
      async () => {
        if (record.state !== "removing") await endpoints.put({ ...record, state: "removing" });
        step("endpoint.forget.after-intent");
      },
      () => hosts.sync(record.network),
      () => unpublish(record),
      () => detach(record),
      async () => {
        const found = await context.reaper.delete(linkNameOfEndpoint(record));
        if (!found && record.state !== "declared") context.sightings.stray(record);
        step("endpoint.forget.after-link");
      },
      async () => {
        await endpoints.delete(owner);
        calls.delete(owner);
        step("endpoint.forget.after-record");
      },
    ]);
  }

  /** Its ports lead nowhere before anybody else gets them. */
  async function unpublish({ owner, published = [] }: EndpointRecord): Promise<void> {
    if (published.length === 0) return;
    await gateways.sync();
    gateways.withdraw(owner);
  }

  async function detach(record: EndpointRecord): Promise<void> {
    const network = networks.get(record.network);
    if (network) await context.drivers[network.kind].detach(record.owner);
    step("endpoint.forget.after-detach");
  }

  return {
    declare,
    provision,
    unprovision,
    forget,
    forgetIf,
    lastCall: (owner) => calls.get(owner) ?? NEVER,
  };
}

function endpointKey(owner: string): string {
  return `endpoint ${owner}`;
}

function hostsOwn(network: NetworkRecord, address: Cidr): UnderlayError {
  const ip = formatIp(address.ip);
  return new UnderlayError(
    "conflict",
    `${ip} is the host's own on this network (host_address); keep it back from Docker with --aux-address host=${ip}`,
    { inputs: { network: network.owner, address: ip } },
  );
}

function gatewaysOwn(network: NetworkRecord, address: Cidr): UnderlayError {
  const ip = formatIp(address.ip);
  return new UnderlayError("conflict", `${ip} is the gateway of this network, and the host has it`, {
    inputs: { network: network.owner, address: ip },
  });
}

/** The queue in which the declares of a network wait for each other. */
export function declareKey(network: string): string {
  return `declare ${network}`;
}

function requireSame(existing: EndpointRecord, wanted: EndpointRecord): EndpointRecord {
  const same =
    Bun.deepEquals(existing.addresses, wanted.addresses) &&
    existing.ifname === wanted.ifname &&
    Bun.deepEquals(existing.spec, wanted.spec) &&
    (existing.mac === wanted.mac || !wanted.macChosenByUser);
  if (same && existing.state !== "removing") return existing;
  throw new UnderlayError(
    "conflict",
    `endpoint ${ownerWords(wanted.owner)} exists already with another address, MAC or options`,
    {
      inputs: { endpoint: wanted.owner },
    },
  );
}
