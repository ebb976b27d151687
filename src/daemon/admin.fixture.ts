import type { Engine, NetworkView, PeerView } from "../engine/engine.ts";
import { UnderlayError } from "../lib/errors.ts";
import { tunnelNameOf } from "../lib/ifname.ts";
import { parseCidr, parseIp } from "../lib/ip.ts";
import { type Peer, readPeer } from "../lib/peer.ts";
import type { TunnelState } from "../links/ovs/view.ts";
import type { DaemonInfo } from "./call.ts";

/** Two networks and three endpoints, for tests of what shows them. */

export const NET_A = "1758a0b1c2d3e4f5061728394a5b6c7d8e9f0a1b2c3d4e5f60718293a4b5c6d7";
export const NET_B = "1758ffffc2d3e4f5061728394a5b6c7d8e9f0a1b2c3d4e5f60718293a4b5c6d7";
/** On a switch, and spans hosts; only where it is asked for. */
export const NET_C = "c0ffee00c2d3e4f5061728394a5b6c7d8e9f0a1b2c3d4e5f60718293a4b5c6d7";
export const EP_1 = "e1aa0000c2d3e4f5061728394a5b6c7d8e9f0a1b2c3d4e5f60718293a4b5c6d7";

export const INFO: DaemonInfo = {
  version: "0.1.0",
  pid: 4711,
  startedAt: "2026-01-02T03:04:05.000Z",
  stateDir: "/var/lib/underlay",
  dockerSocket: "/run/docker.sock",
  drivers: ["underlay-macvlan"],
  host: () => [],
  bridge: async () => undefined,
  tunnels: async () => [tunnel("192.0.2.2", { ofport: 3 }), tunnel("192.0.2.3", { error: "File exists" })],
};

function tunnel(peer: string, state: Pick<TunnelState, "ofport" | "error">): TunnelState {
  const network = `docker:${NET_C}`;
  return { name: tunnelNameOf(network, peer), network, peer, ...state };
}

const pool = parsed(parseCidr("192.168.7.0/24"));
const pool6 = parsed(parseCidr("fd07::/64"));
const gateway = parsed(parseIp("192.168.7.1"));
const nas = parsed(parseIp("192.168.7.5"));

function parsed<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error("the fixture's own addresses do not parse");
  return value;
}

export const FINDING = {
  id: "UL-P08",
  title: "parent missing",
  severity: "fail",
  confidence: "certain",
  subject: { kind: "parent", name: "eth9" },
  message: "there is no link eth9",
  evidence: [{ source: "RTM_GETLINK", value: "no eth9" }],
  fix: [{ say: "plug it in" }, { say: "or look which links there are", run: "ip link" }],
} as const;

export interface FakeEngine extends Engine {
  /** `dryRun` of every reconcile, in order. */
  readonly reconciled: boolean[];
}

interface FakeOptions {
  /** Every list throws what a damaged database throws. */
  readonly broken?: boolean;
  readonly empty?: boolean;
  /** It has one more network, whose peers come and go. */
  readonly spans?: boolean;
}

/** An engine that only shows. */
export function fakeEngine(options: FakeOptions = {}): FakeEngine {
  const reconciled: boolean[] = [];
  const notHere = async (): Promise<never> => {
    throw new UnderlayError("internal", "the fixture only shows");
  };
  const lists =
    <Item>(items: readonly Item[]) =>
    () => {
      if (options.broken)
        throw new UnderlayError("state", "underlay.db is damaged: restore it from a backup");
      return options.empty ? [] : [...items];
    };
  const peers: PeerView[] = [{ address: parsed(peerIn("192.0.2.2")), from: "option", since: SINCE }];
  const spanning = {
    ...{ owner: `docker:${NET_C}`, kind: "ovs", state: "active", healthy: true, parent: "br0", mode: "nat" },
    ...{ mtu: 1450, internal: false, ipv6: false, subnets: [], options: { vni: "42" } },
    ...{ tunnel: { vni: 42, peers }, endpoints: 0, createdAt: SINCE, findings: [] },
  } satisfies NetworkView;
  const networks = [
    {
      owner: `docker:${NET_B}`,
      kind: "macvlan",
      state: "active",
      healthy: false,
      parent: "eth9",
      mode: "vepa",
      mtu: 1400,
      internal: true,
      ipv6: false,
      subnets: [],
      options: { parent: "eth9", mode: "vepa" },
      endpoints: 1,
      createdAt: "2026-01-03T03:00:00.000Z",
      findings: [FINDING],
    },
    {
      owner: `docker:${NET_A}`,
      kind: "macvlan",
      state: "active",
      healthy: true,
      parent: "eth0",
      mode: "bridge",
      mtu: undefined,
      internal: false,
      ipv6: true,
      subnets: [
        { pool, gateway, aux: { nas } },
        { pool: pool6, aux: {} },
      ],
      options: { parent: "eth0" },
      endpoints: 2,
      createdAt: "2026-01-02T03:00:00.000Z",
      findings: [],
    },
    ...(options.spans ? [spanning] : []),
  ] satisfies NetworkView[];
  return {
    reconciled,
    networks: {
      ensure: notHere,
      remove: notHere,
      hostIsGateway: () => false,
      // The newer first: whoever shows them has to sort.
      list: lists(networks),
      rows: lists(networks.map(({ findings: _, ...row }) => row)),
    },
    peers: {
      add: async (_, asked) => {
        const fresh = asked.filter((address) => !peers.some((peer) => peer.address === address));
        peers.push(...fresh.map((address): PeerView => ({ address, from: "learnt", since: LATER })));
        return asked.map((address) => ({ address, outcome: fresh.includes(address) ? "added" : "there" }));
      },
      remove: async (_, asked) => {
        const gone = peers.filter(({ address }) => asked.includes(address)).map(({ address }) => address);
        peers.splice(0, peers.length, ...peers.filter(({ address }) => !gone.includes(address)));
        return asked.map((address) => ({ address, outcome: gone.includes(address) ? "removed" : "absent" }));
      },
    },
    endpoints: {
      optionNames: () => [],
      declare: notHere,
      provision: notHere,
      unprovision: notHere,
      forget: notHere,
      list: lists([
        endpoint(NET_A, EP_1, "provisioned", "192.168.7.9/24"),
        endpoint(NET_A, EP_1.replace("e1aa", "e2bb"), "declared", "192.168.7.10/24"),
        endpoint(NET_B, EP_1.replace("e1aa", "e3cc"), "provisioned", "10.0.0.2/8"),
      ]),
    },
    reconcile: async ({ dryRun }) => {
      reconciled.push(dryRun);
      return {
        dryRun,
        actions: [{ what: "delete-link", subject: "ul-abcdefghijkl", why: "no record knows it" }],
      };
    },
    findings: lists([FINDING]),
  };
}

const [SINCE, LATER] = ["2026-01-04T03:00:00.000Z", "2026-01-05T03:00:00.000Z"] as const;

function peerIn(text: string): Peer | undefined {
  const read = readPeer(text);
  return "value" in read ? read.value : undefined;
}

function endpoint(network: string, id: string, state: "declared" | "provisioned", address: string) {
  return {
    owner: `docker:${network}/${id}`,
    network: `docker:${network}`,
    state,
    addresses: [address],
    mac: "02:11:22:33:44:55",
    linkName: `ul-${id.slice(0, 4)}aaaabbbb`,
    createdAt: "2026-01-02T03:04:00.000Z",
  };
}
