import type { EndpointView, Engine } from "../engine/engine.ts";
import { UnderlayError } from "../lib/errors.ts";
import { type Family, formatCidr, formatIp } from "../lib/ip.ts";
import type { LogFields } from "../lib/log.ts";
import type { Attachment, EndpointRequest, LinkKind } from "../lib/request.ts";
import type { Shape } from "../lib/shape.ts";
import { endpointRequest } from "./endpoint.ts";
import {
  type AnyMessage,
  aboutEndpoint,
  aboutNetwork,
  anyMessage,
  createEndpoint,
  createNetwork,
  gwAllocCheck,
  join,
  parseMessage,
  type Subject,
} from "./messages.ts";
import { networkRequest, userOptions } from "./network.ts";
import { endpointOwner, networkOwner } from "./owners.ts";

/**
 * The protocol as a table: every method that a dockerd may call on a network plugin, what it needs and what is done.
 * Docker delivers at least once and in no certain order, so each one is idempotent.
 */

export interface Adapter {
  readonly engine: Engine;
  readonly kind: LinkKind;
}

export interface Method {
  /** Without one the call is answered 400: a dockerd that retries a broken connection sends an empty body. */
  readonly needsBody: boolean;
  /** Throws `invalid_request`; `body` is undefined when there was none. */
  parse(body: unknown): Call;
}

export interface Call {
  readonly subject: Subject;
  /** Whether nothing is done, so that its success is no news. */
  readonly idle: boolean;
  /** `givenUp`: that nobody waits for the answer any more, and why. */
  run(adapter: Adapter, givenUp: AbortSignal): Promise<Done>;
}

export interface Done {
  readonly answer: object;
  /** What the log says of it besides the subject. */
  readonly fields?: LogFields;
}

const NOTHING = {};

export const METHODS: Readonly<Record<string, Method>> = {
  // The only word in the log of a dockerd that found us.
  "Plugin.Activate": free({ Implements: ["NetworkDriver"] }, { idle: false }),

  "NetworkDriver.GetCapabilities": free({
    Scope: "local",
    // As the built-in macvlan: usable from swarm by --config-only networks.
    ConnectivityScope: "global",
    GwAllocChecker: true,
  }),

  // Where the host is no gateway, Docker is to reserve none of its own invention; one that the user gave is still sent
  // with CreateNetwork.
  "NetworkDriver.GwAllocCheck": taking(
    gwAllocCheck,
    async ({ Options }, { engine, kind }) => {
      const skip = !engine.networks.hostIsGateway(kind, userOptions(Options));
      return { answer: { SkipIPv4: skip, SkipIPv6: skip } };
    },
    { idle: true },
  ),

  "NetworkDriver.CreateNetwork": taking(createNetwork, async (message, { engine, kind }, givenUp) => {
    // dockerd forgets a network whose create failed, and never asks to delete it.
    await engine.networks.ensure(networkRequest(message, kind), givenUp);
    return { answer: NOTHING };
  }),

  "NetworkDriver.DeleteNetwork": taking(aboutNetwork, async (message, { engine }) => {
    await engine.networks.remove(networkOwner(message.NetworkID));
    return { answer: NOTHING };
  }),

  "NetworkDriver.CreateEndpoint": taking(createEndpoint, async (message, { engine, kind }) => {
    const request = endpointRequest(message, engine.endpoints.optionNames(kind));
    const { mac, addresses, linkName } = await engine.endpoints.declare(request);
    return {
      answer: created(request, { mac, addresses }),
      fields: { ip: addresses.join(" "), mac, link: linkName },
    };
  }),

  "NetworkDriver.EndpointOperInfo": idle(aboutEndpoint, { Value: {} }),

  "NetworkDriver.Join": taking(join, async (message, { engine }) => {
    const owner = endpointOwner(message.NetworkID, message.EndpointID);
    return { answer: joined(await engine.endpoints.provision(owner, message.SandboxKey || undefined)) };
  }),

  // The link is still in the container here. Docker takes it down, renames it and brings it back before DeleteEndpoint,
  // and says nothing when there is none.
  "NetworkDriver.Leave": taking(aboutEndpoint, async (message, { engine }) => {
    await engine.endpoints.unprovision(endpointOwner(message.NetworkID, message.EndpointID));
    return { answer: NOTHING };
  }),

  "NetworkDriver.DeleteEndpoint": taking(aboutEndpoint, async (message, { engine }) => {
    await engine.endpoints.forget(endpointOwner(message.NetworkID, message.EndpointID));
    return { answer: NOTHING };
  }),

  "NetworkDriver.ProgramExternalConnectivity": idle(aboutEndpoint),
  "NetworkDriver.RevokeExternalConnectivity": idle(aboutEndpoint),
  "NetworkDriver.DiscoverNew": idle(anyMessage),
  "NetworkDriver.DiscoverDelete": idle(anyMessage),
  "NetworkDriver.AllocateNetwork": taking(aboutNetwork, onlyGlobal),
  "NetworkDriver.FreeNetwork": taking(aboutNetwork, onlyGlobal),
};

/** An answer that depends on nothing; whatever body comes with the call is not read. */
function free(answer: object, { idle = true } = {}): Method {
  return { needsBody: false, parse: () => ({ subject: {}, idle, run: async () => ({ answer }) }) };
}

/** A call at which nothing is to be done, whatever it says. */
function idle<T extends AnyMessage>(shape: Shape<T>, answer: object = NOTHING): Method {
  return taking(shape, async () => ({ answer }), { idle: true });
}

function taking<T extends AnyMessage>(
  shape: Shape<T>,
  run: (message: T, adapter: Adapter, givenUp: AbortSignal) => Promise<Done>,
  { idle = false } = {},
): Method {
  return {
    needsBody: true,
    parse(body) {
      const message = parseMessage(shape, body);
      return { subject: message, idle, run: (adapter, givenUp) => run(message, adapter, givenUp) };
    },
  };
}

/** To answer a value that was given is an error, even the same value. */
function created(
  request: EndpointRequest,
  { mac, addresses }: Pick<EndpointView, "mac" | "addresses">,
): object {
  const given = request.addresses.length > 0 ? [] : addresses;
  const news = {
    MacAddress: request.mac === undefined ? mac : undefined,
    Address: given.find((address) => !address.includes(":")),
    AddressIPv6: given.find((address) => address.includes(":")),
  };
  return Object.values(news).some((value) => value !== undefined) ? { Interface: news } : NOTHING;
}

/** types.CONNECTED of libnetwork: a route to the link, without a next hop. */
const CONNECTED = 1;

function joined(attachment: Attachment): object {
  const gateway = (family: Family) => {
    const found = attachment.gateways.find((ip) => ip.family === family);
    return found && formatIp(found);
  };
  const onLink = attachment.onLink.map((destination) => ({
    Destination: formatCidr(destination),
    RouteType: CONNECTED,
  }));
  return {
    // 28.5 and older ignore DstName and number the DstPrefix.
    InterfaceName: { SrcName: attachment.linkName, DstPrefix: "eth", DstName: attachment.ifname },
    Gateway: gateway(4),
    GatewayIPv6: gateway(6),
    StaticRoutes: onLink.length === 0 ? undefined : onLink,
    // Else a network without gateway gets a second, masqueraded NIC on docker_gwbridge.
    DisableGatewayService: true,
  };
}

async function onlyGlobal(): Promise<never> {
  throw new UnderlayError(
    "not_yet",
    "Underlay's networks have local scope: make a --config-only network on every node and the swarm network with --config-from",
  );
}
