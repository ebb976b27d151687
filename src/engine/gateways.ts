import { asUnderlayError, problemsError } from "../lib/errors.ts";
import { type Cidr, type Family, formatIp, type Ip, parseCidr, parseIp } from "../lib/ip.ts";
import { type Publish, parsePublish } from "../lib/publish.ts";
import { type Step, settleAll } from "../lib/settle.ts";
import type { PortRequest } from "../links/nat/ports.ts";
import { IP_PROTOCOL, type NatNetwork, type Protocol, type PublishedPort } from "../links/nat/rules.ts";
import { type Context, livingOn } from "./context.ts";
import {
  type EndpointRecord,
  gatewayLinkOf,
  type NetworkRecord,
  type PublishedRecord,
  subnetsOf,
} from "./records.ts";

/**
 * The host as the gateway of networks: their gateways' addresses on the parent, the way out and in, and ports of the host
 * that lead to endpoints. All of it follows from the records, which are written before, and a restart makes it so.
 */
export interface Gateways {
  /** Makes the kernel have what the records ask for. Throws `kernel`, `permission`. */
  sync(): Promise<void>;
  /** The same for a network that goes, whichever process made it. */
  close(network: NetworkRecord): Promise<void>;
  /** The same where nobody waits, and what a former process held; what fails is logged. */
  refresh(): Promise<void>;
  /**
   * Host ports for what the endpoint publishes, chosen and kept from others; for the same endpoint the same. Throws
   * `conflict`, which names the holder, and `invalid_option`.
   */
  publish(network: NetworkRecord, record: EndpointRecord): readonly PublishedRecord[];
  /** Gives them back. */
  withdraw(owner: string): void;
}

/** The order of its work: each pass reads the records when its turn has come. */
const PASSES = "gateways";

export function gatewaysOf(context: Context): Gateways {
  const { networks, queues, log, nat, hostPorts, gatewayAddresses } = context;
  /** Links that had addresses of ours when last seen to; those whose networks are gone are to have none. */
  const addressed = new Set<string>();
  let failing = "";
  /** Until then there may be what a former process made and had no time to take away. */
  let isApplied = false;

  const served = () =>
    networks.list().filter(({ state, spec }) => state === "active" && spec.hostIsGateway === true);

  async function sync(): Promise<void> {
    await queues.run([PASSES], syncNow);
  }

  async function syncNow(): Promise<void> {
    const open = served();
    if (open.length === 0 && addressed.size === 0 && isApplied) return;
    const byLink = Map.groupBy(open, gatewayLinkOf);
    for (const link of new Set([...addressed, ...byLink.keys()])) {
      await gatewayAddresses.set(link, (byLink.get(link) ?? []).flatMap(gatewaysOfNetwork));
      if (byLink.has(link)) addressed.add(link);
      else addressed.delete(link);
    }
    await nat.apply(open.map((network) => natNetwork(context, network)));
    isApplied = true;
  }

  async function close(network: NetworkRecord): Promise<void> {
    if (!network.spec.hostIsGateway) return;
    addressed.add(gatewayLinkOf(network));
    await sync();
  }

  async function refresh(): Promise<void> {
    try {
      await settleAll([...portsToHold(), sync]);
      failing = "";
    } catch (thrown) {
      const error = asUnderlayError(thrown).message;
      if (error !== failing)
        log("warn", "the host is not the gateway of its networks as it should be", { error });
      failing = error;
    }
  }

  function holdAgain(owner: string, published: readonly PublishedRecord[]): void {
    const ports = published.flatMap(portOf);
    const requests = ports.map(({ hostAddress, containerAddress, ...port }) => ({
      ...port,
      // Of one family alone: each has its own record.
      hostAddress: hostAddress ?? unspecified(containerAddress.family),
    }));
    const addresses = new Map(ports.map(({ containerAddress: ip }) => [formatIp(ip), ip]));
    hostPorts.hold(owner, [...addresses.values()], requests);
  }

  /** Ports that a former process of ours held. */
  function portsToHold(): Step[] {
    return served()
      .flatMap((network) => livingOn(context, network.owner))
      .flatMap(({ owner, published }) => (published ? [() => void holdAgain(owner, published)] : []));
  }

  return {
    sync,
    close,
    refresh,
    publish(network, record) {
      // On an internal network nothing comes in from elsewhere.
      if (record.publishes.length === 0 || !network.spec.hostIsGateway || network.internal) return [];
      if (record.published) {
        holdAgain(record.owner, record.published);
        return record.published;
      }
      const ips = record.addresses.flatMap((text) => parseCidr(text)?.ip ?? []);
      return hostPorts.hold(record.owner, ips, requestsOf(record)).map(recordOfPort);
    },
    withdraw: (owner) => hostPorts.release(owner),
  };
}

function gatewaysOfNetwork(network: NetworkRecord): Cidr[] {
  return subnetsOf(network).flatMap(({ pool, gateway }) =>
    gateway ? [{ ip: gateway, prefix: pool.prefix }] : [],
  );
}

function natNetwork(context: Context, network: NetworkRecord): NatNetwork {
  const ports = livingOn(context, network.owner).flatMap(({ published = [] }) => published.flatMap(portOf));
  return {
    id: network.owner,
    bridge: gatewayLinkOf(network),
    subnets: subnetsOf(network).map(({ pool }) => pool),
    ...(network.internal && { internal: true }),
    ports,
  };
}

/** Throws `invalid_option` with all that cannot be published. */
function requestsOf({ owner, publishes }: EndpointRecord): PortRequest[] {
  const parsed = publishes.map((text) => ({ text, request: requestOf(parsePublish(text)) }));
  const problems = parsed
    .filter(({ request }) => request === undefined)
    .map(({ text }) => ({
      subject: "publish",
      message: `-p ${text}: only tcp, udp and sctp ports can be published`,
    }));
  if (problems.length > 0) throw problemsError("invalid_option", problems, { endpoint: owner });
  return parsed.flatMap(({ request }) => request ?? []);
}

function requestOf(publish: Publish | undefined): PortRequest | undefined {
  const {
    protocol = "",
    hostAddress,
    hostPorts: [hostPort, hostPortEnd] = [0, 0],
    containerPort = 0,
  } = publish ?? {};
  if (!isProtocol(protocol)) return undefined;
  return { protocol, ...(hostAddress && { hostAddress }), hostPort, hostPortEnd, containerPort };
}

function unspecified(family: Family): Ip {
  return { family, bytes: new Uint8Array(family === 4 ? 4 : 16) };
}

function isProtocol(text: string): text is Protocol {
  return Object.hasOwn(IP_PROTOCOL, text);
}

function recordOfPort({ hostAddress, containerAddress, ...port }: PublishedPort): PublishedRecord {
  return {
    ...port,
    ...(hostAddress && { hostAddress: formatIp(hostAddress) }),
    containerAddress: formatIp(containerAddress),
  };
}

/** Text that does not parse was never written by us. */
function portOf({ hostAddress, containerAddress, ...port }: PublishedRecord): PublishedPort[] {
  const host = hostAddress === undefined ? undefined : parseIp(hostAddress);
  const container = parseIp(containerAddress);
  return container ? [{ ...port, ...(host && { hostAddress: host }), containerAddress: container }] : [];
}
