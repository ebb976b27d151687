import type { Engine } from "../engine/engine.ts";
import { UnderlayError } from "../lib/errors.ts";
import { type Family, formatIp } from "../lib/ip.ts";
import type { Attachment, LinkKind } from "../lib/request.ts";
import { endpointRequest } from "./endpoint.ts";
import {
  type AnyMessage,
  aboutEndpoint,
  aboutNetwork,
  anyMessage,
  createEndpoint,
  createNetwork,
  gwAllocCheck,
  parseMessage,
  type Subject,
} from "./messages.ts";
import { networkRequest } from "./network.ts";
import { endpointOwner, networkOwner } from "./owners.ts";
import type { Shape } from "./shape.ts";

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
  run(adapter: Adapter): Promise<object>;
}

const NOTHING = {};

export const METHODS: Readonly<Record<string, Method>> = {
  "Plugin.Activate": free({ Implements: ["NetworkDriver"] }),

  "NetworkDriver.GetCapabilities": free({
    Scope: "local",
    // As the built-in macvlan: usable from swarm by --config-only networks.
    ConnectivityScope: "global",
    GwAllocChecker: true,
  }),

  // Docker is to reserve no gateway of its own invention; one that the user gave is still sent with CreateNetwork.
  "NetworkDriver.GwAllocCheck": taking(gwAllocCheck, async () => ({ SkipIPv4: true, SkipIPv6: true })),

  "NetworkDriver.CreateNetwork": taking(createNetwork, async (message, { engine, kind }) => {
    await engine.networks.ensure(networkRequest(message, kind));
    return NOTHING;
  }),

  "NetworkDriver.DeleteNetwork": taking(aboutNetwork, async (message, { engine }) => {
    await engine.networks.remove(networkOwner(message.NetworkID));
    return NOTHING;
  }),

  "NetworkDriver.CreateEndpoint": taking(createEndpoint, async (message, { engine }) => {
    const request = endpointRequest(message);
    const { mac } = await engine.endpoints.declare(request);
    // To answer a value that was given is an error, even the same value.
    return request.mac === undefined ? { Interface: { MacAddress: mac } } : NOTHING;
  }),

  "NetworkDriver.EndpointOperInfo": taking(aboutEndpoint, async () => ({ Value: {} })),

  "NetworkDriver.Join": taking(aboutEndpoint, async (message, { engine }) =>
    joined(await engine.endpoints.provision(endpointOwner(message.NetworkID, message.EndpointID))),
  ),

  // The link is still in the container here; Docker brings it back before DeleteEndpoint.
  "NetworkDriver.Leave": taking(aboutEndpoint, async () => NOTHING),

  "NetworkDriver.DeleteEndpoint": taking(aboutEndpoint, async (message, { engine }) => {
    await engine.endpoints.forget(endpointOwner(message.NetworkID, message.EndpointID));
    return NOTHING;
  }),

  "NetworkDriver.ProgramExternalConnectivity": taking(aboutEndpoint, async () => NOTHING),
  "NetworkDriver.RevokeExternalConnectivity": taking(aboutEndpoint, async () => NOTHING),
  "NetworkDriver.DiscoverNew": taking(anyMessage, async () => NOTHING),
  "NetworkDriver.DiscoverDelete": taking(anyMessage, async () => NOTHING),
  "NetworkDriver.AllocateNetwork": taking(aboutNetwork, onlyGlobal),
  "NetworkDriver.FreeNetwork": taking(aboutNetwork, onlyGlobal),
};

/** An answer that depends on nothing; whatever body comes with the call is not read. */
function free(answer: object): Method {
  return { needsBody: false, parse: () => ({ subject: {}, run: async () => answer }) };
}

function taking<T extends AnyMessage>(
  shape: Shape<T>,
  run: (message: T, adapter: Adapter) => Promise<object>,
): Method {
  return {
    needsBody: true,
    parse(body) {
      const message = parseMessage(shape, body);
      return { subject: message, run: (adapter) => run(message, adapter) };
    },
  };
}

function joined(attachment: Attachment): object {
  const gateway = (family: Family) => {
    const found = attachment.gateways.find((ip) => ip.family === family);
    return found && formatIp(found);
  };
  return {
    // 28.5 and older ignore DstName and number the DstPrefix.
    InterfaceName: { SrcName: attachment.linkName, DstPrefix: "eth", DstName: attachment.ifname },
    Gateway: gateway(4),
    GatewayIPv6: gateway(6),
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
