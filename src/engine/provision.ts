import { refusals } from "../conditions/judge.ts";
import { errnoWords } from "../conditions/say.ts";
import { asUnderlayError, UnderlayError } from "../lib/errors.ts";
import { parseCidr } from "../lib/ip.ts";
import type { Attachment } from "../lib/request.ts";
import type { BornFor } from "../links/driver.ts";
import type { FoundParent } from "../links/parent/parents.ts";
import { aliasOf } from "../links/survey.ts";
import { waysOut } from "./addresses.ts";
import { type Context, judgedOf, knownNetwork, unknown } from "./context.ts";
import type { Gateways } from "./gateways.ts";
import type { HostAccess } from "./host-access.ts";
import type { OwnParents } from "./own-parents.ts";
import { type EndpointRecord, holdingsOf, linkNameOfEndpoint, type NetworkRecord } from "./records.ts";

/** Milliseconds: how long a MAC or an address may take to become free, and how often the kernel is asked. */
const STRAY_PATIENCE = 5000;
const STRAY_LOOK = 25;

function strayed(record: EndpointRecord, network: NetworkRecord): UnderlayError {
  const held = holdingsOf(record).join(" ");
  return new UnderlayError(
    "conflict",
    `${record.mac === undefined ? "address" : "MAC address"} ${held} is still held on ${network.parent.name} by a container that is ending or was left running ` +
      "by a crash; end that one, or try again",
    { inputs: { network: network.owner, held } },
  );
}

/** What of the engine an endpoint's link needs besides. */
export interface ProvisionParts {
  readonly own: Pick<OwnParents, "restore">;
  readonly hosts: Pick<HostAccess, "sync">;
  readonly gateways: Pick<Gateways, "publish" | "withdraw" | "sync">;
}

/** Makes the link of a declared endpoint. The returned function expects to be the only one at work on its endpoint. */
export function provisioner(
  context: Context,
  { own, hosts, gateways }: ProvisionParts,
): (owner: string, netns?: string) => Promise<Attachment> {
  const { endpoints, step, log } = context;

  async function provisionNow(owner: string, netns?: string): Promise<Attachment> {
    const record = endpoints.get(owner);
    if (!record) throw unknown("endpoint", owner);
    const network = knownNetwork(context, record.network);
    const linkName = linkNameOfEndpoint(record);
    await context.reaper.settled(linkName);
    await released(record);
    const parent = await usableParent(network);
    await strayedIsGone(network, record, parent);
    step("endpoint.provision.before-link");
    await createLink(network, record, parent);
    step("endpoint.provision.after-link");
    const published = gateways.publish(network, record);
    if (record.state !== "provisioned" || record.netns !== netns || published.length > 0) {
      await endpoints.put({
        ...record,
        state: "provisioned",
        ...(netns !== undefined && { netns }),
        ...(published.length > 0 && { published }),
      });
    }
    step("endpoint.provision.after-record");
    await hosts.sync(record.network);
    if (published.length > 0) await gateways.sync();
    return {
      linkName,
      ...(record.ifname !== undefined && { ifname: record.ifname }),
      ...waysOut(network, record, context.drivers[network.kind].routesOnLink(network.spec)),
    };
  }

  /** A link on its way out that has the same must be gone, or the kernel answers EADDRINUSE when ours goes up. */
  async function released({ owner: wanting, mac, addresses }: EndpointRecord): Promise<void> {
    const same =
      mac === undefined
        ? addresses.flatMap((address) => endpoints.with("address", address))
        : endpoints.with("mac", mac);
    const leaving = same.filter(({ owner, state }) => owner !== wanting && state === "removing");
    await Promise.all(leaving.map((other) => context.reaper.settled(linkNameOfEndpoint(other))));
  }

  /**
   * A container that died with its runtime takes its link along, and the kernel takes its netns apart in its own time.
   * No event tells when, so the kernel is asked.
   */
  async function strayedIsGone(
    network: NetworkRecord,
    record: EndpointRecord,
    parent: FoundParent,
  ): Promise<void> {
    if (!context.sightings.mayHaveStrayed(record)) return;
    const { isFree } = context.drivers[network.kind];
    const { mac } = record;
    const wanted = {
      addresses: record.addresses.flatMap((text) => parseCidr(text) ?? []),
      ...(mac !== undefined && { mac }),
    };
    const deadline = context.steady() + STRAY_PATIENCE;
    while (!(await isFree(parent.ifindex, wanted, network.spec))) {
      if (context.steady() > deadline) throw strayed(record, network);
      await context.pause(STRAY_LOOK);
    }
    context.sightings.isFree(record);
  }

  async function usableParent(network: NetworkRecord): Promise<FoundParent> {
    const find = () => context.parents.find(network.spec.parent, network.parent);
    const parent = (await find()) ?? ((await restored(network)) ? await find() : undefined);
    if (!parent) throw await explained(network, undefined);
    if (!parent.up) {
      await bringUp(parent);
      log("warn", "the parent was down and was brought up", { network: network.owner, parent: parent.name });
    }
    return parent;
  }

  /** A parent of ours that somebody deleted this moment; why it cannot be made is told by what is wrong with it. */
  async function restored(network: NetworkRecord): Promise<boolean> {
    try {
      return await own.restore(network);
    } catch (thrown) {
      const error = asUnderlayError(thrown).message;
      log("warn", "a parent of ours is gone and cannot be made again", { network: network.owner, error });
      return false;
    }
  }

  async function bringUp({ name, ifindex }: FoundParent): Promise<void> {
    try {
      await context.parents.bringUp(ifindex);
    } catch (thrown) {
      if (!(thrown instanceof UnderlayError) || thrown.code !== "kernel") throw thrown;
      const { errno = "" } = thrown;
      const words = thrown.kernelText ?? errnoWords(errno) ?? errno;
      throw new UnderlayError(
        "kernel",
        `parent ${name} is down and cannot be brought up: ${words}; a VLAN link needs the link below it up first`,
        { cause: thrown, errno, inputs: { parent: name } },
      );
    }
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
        ...(record.mac !== undefined && { mac: record.mac }),
        alias: aliasOf(record.owner),
        spec: network.spec,
        endpoint: bornFor(record),
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

  return provisionNow;
}

/** An endpoint as its driver is told of it. */
export function bornFor({ owner, network, addresses, mac, spec }: EndpointRecord): BornFor {
  const parsed = addresses.flatMap((text) => parseCidr(text) ?? []);
  return {
    owner,
    network,
    addresses: parsed,
    ...(mac !== undefined && { mac }),
    ...(spec !== undefined && { spec }),
  };
}
