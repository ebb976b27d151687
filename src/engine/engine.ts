import type { Finding } from "../conditions/condition.ts";
import type { Peer } from "../lib/peer.ts";
import type { Attachment, EndpointRequest, LinkKind, NetworkRequest, Subnet } from "../lib/request.ts";

/**
 * What the engine offers to adapters, the admin API and the reconcile loop. No verb of any protocol appears here;
 * every one is idempotent and keyed by an opaque owner.
 */
export interface Engine {
  readonly networks: {
    /**
     * Makes the network, or does nothing when the same one exists.
     * Throws `invalid_option` (all problems at once), `refused` (conditions), `not_yet`, `conflict` (exists and differs),
     * and the reason of `givenUp` when that came first: then no network was made.
     */
    ensure(request: NetworkRequest, givenUp?: AbortSignal): Promise<void>;
    /** Forgets the network and its endpoints; an unknown one is success. */
    remove(owner: string): Promise<void>;
    /** Whether the host is the gateway of a network with such options, so that the gateway's address is nobody else's. */
    hostIsGateway(kind: LinkKind, options: Readonly<Record<string, string>>): boolean;
    list(): NetworkView[];
    /** The same without a judgement of each. */
    rows(): NetworkRowView[];
  };
  /** Other hosts, on networks that have tunnels to them. */
  readonly peers: {
    /**
     * The network has tunnels to these hosts too; one that is a peer already stays as it is. Throws `not_found`,
     * `invalid_request` (the network has no tunnels), `invalid_option` (no other host's addresses), `conflict` (links of
     * containers are too large), and what putting a port does: then it has those of before.
     */
    add(network: string, peers: readonly Peer[]): Promise<readonly PeerChange[]>;
    /**
     * Takes away tunnels to these; an unknown peer is success. Throws `not_found`, `invalid_request`, `conflict` (it is one
     * by the network's options), and what removing a port does: then it goes as soon as the switch answers.
     */
    remove(network: string, peers: readonly Peer[]): Promise<readonly PeerChange[]>;
  };
  readonly endpoints: {
    /** Names of the options that endpoints on networks of the kind may have. */
    optionNames(kind: LinkKind): readonly string[];
    /** Records the endpoint and chooses its MAC. Throws `not_found` for an unknown network. */
    declare(request: EndpointRequest): Promise<EndpointView>;
    /**
     * Makes its link in the daemon's netns. `netns`: path of the one to which its runtime will move it, where that is
     * known. Throws `not_found`, `refused`, `kernel`.
     */
    provision(owner: string, netns?: string): Promise<Attachment>;
    /**
     * Deletes the link where an ended container has it, before the runtime moves it back, which costs the kernel two
     * grace periods more. What is not found there, or runs, goes with `forget`. An unknown owner is success.
     */
    unprovision(owner: string): Promise<void>;
    /** Deletes the link, when it is still there, and the record. An unknown owner is success. */
    forget(owner: string): Promise<void>;
    list(): EndpointView[];
  };
  /** Replays intents and drops what nobody can use any more. With `dryRun` it only tells. */
  reconcile(options: ReconcileOptions): Promise<ReconcileReport>;
  /** What is wrong now, over all networks. */
  findings(): Finding[];
}

export interface PeerChange {
  readonly address: Peer;
  readonly outcome: "added" | "there" | "removed" | "absent";
}

/** A network on a parent that exists has no side effect before it is active; only its removal can be interrupted. */
export type NetworkState = "active" | "removing";
/** `declared` → `provisioned` → `removing`. */
export type EndpointState = "declared" | "provisioned" | "removing";

export interface NetworkView extends NetworkRowView {
  readonly findings: readonly Finding[];
}

export interface NetworkRowView {
  readonly owner: string;
  readonly kind: string;
  readonly state: NetworkState;
  /** False while its parent is missing; containers cannot start on it. */
  readonly healthy: boolean;
  readonly parent: string;
  /** Has the gateways' addresses, where the host is the gateway. */
  readonly gatewayLink?: string;
  readonly mode: string;
  readonly mtu: number | undefined;
  readonly internal: boolean;
  readonly ipv6: boolean;
  readonly subnets: readonly Subnet[];
  readonly options: Readonly<Record<string, string>>;
  readonly hostAccess?: HostAccessView;
  /** Only of a network that spans hosts. */
  readonly tunnel?: TunnelView;
  readonly endpoints: number;
  /** RFC 3339. */
  readonly createdAt: string;
}

export interface HostAccessView {
  /** Name of the host's own link, which is there while the network has containers. */
  readonly link: string;
  /** The host's addresses that were given; of IPv4 without one, the parent's own is used. */
  readonly addresses: readonly string[];
}

export interface TunnelView {
  readonly vni: number;
  readonly peers: readonly PeerView[];
}

export interface PeerView {
  readonly address: Peer;
  /** `option`: the network was created with it. */
  readonly from: "option" | "learnt";
  /** RFC 3339. */
  readonly since: string;
}

export interface EndpointView {
  readonly owner: string;
  readonly network: string;
  readonly state: EndpointState;
  readonly addresses: readonly string[];
  /** Absent when its link has the parent's. */
  readonly mac: string | undefined;
  readonly linkName: string;
  /** Ports of the host that lead to it; absent where nobody publishes. */
  readonly published?: readonly PublishedView[];
  readonly createdAt: string;
}

/** One family's: a port on all addresses of both is two of these. */
export interface PublishedView {
  readonly protocol: string;
  /** `0.0.0.0` or `::`: every address of that family. */
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly containerAddress: string;
  readonly containerPort: number;
}

export interface ReconcileOptions {
  readonly dryRun: boolean;
  /** Whether the owner is not known any more to whoever gave it to us. Absent: nobody was asked. */
  readonly isForgotten?: (owner: string) => boolean;
}

export interface ReconcileReport {
  readonly dryRun: boolean;
  /** What was done, or would be; what turned out not to be needed when its turn came is left out. */
  readonly actions: readonly ReconcileAction[];
}

export interface ReconcileAction {
  readonly what:
    | "drop-endpoint"
    | "delete-link"
    | "drop-port"
    | "drop-network"
    | "drop-parent"
    | "drop-attachment"
    | "suspect";
  readonly subject: string;
  readonly why: string;
  /** Why it could not be done. */
  readonly failure?: string;
}
