import { UnderlayError } from "../../lib/errors.ts";
import { MAX_IFNAME, switchPortNameOf } from "../../lib/ifname.ts";
import { settleAll } from "../../lib/settle.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { getLink, setLinkRequest } from "../../netlink/link.ts";
import { type BornFor, type EndpointSpec, type LinkDriver, type OwnSubnet, WHOLE_LINKS } from "../driver.ts";
import type { SwitchRef } from "../parent/ref.ts";
import type { OvsDriver, OvsPlug } from "./driver.ts";
import { type OvsEndpointSpec, portOptions } from "./endpoint-spec.ts";
import { bridgeIsSharedGateway, type OvsNetwork } from "./network-ports.ts";
import type { SwitchPorts } from "./ports.ts";
import type { PortSecurity } from "./security/port-security.ts";
import type { OvsSpec } from "./spec.ts";
import type { SwitchUplinks } from "./uplink.ts";

/** Networks on Open vSwitch as one more kind of link: its parent is a bridge. */

/** As the engine keeps it. */
export interface OvsLinkSpec extends OvsSpec {
  readonly parent: { readonly how: "switch" } & SwitchRef;
  readonly ownSubnets: readonly OwnSubnet[];
  readonly gatewayLink?: string;
  readonly carriesHost?: boolean;
}

interface OvsEndpoint extends EndpointSpec, OvsEndpointSpec {
  readonly kind: "ovs";
}

export interface OvsLinkParts {
  readonly driver: OvsDriver;
  readonly ports: SwitchPorts;
  readonly uplinks: SwitchUplinks;
  /** Ends moves of the host's addresses that were interrupted. */
  readonly finish: () => Promise<void>;
  readonly security: PortSecurity;
  /** Resolves when ovs-vswitchd has done all that the database says. Throws `timeout`, `unreachable`. */
  readonly whenApplied: () => Promise<void>;
  /** A conversation in the netns that the bridges are in. */
  readonly home: Conversation;
  /** Whether there may be a switch at all. */
  readonly isThere: () => boolean;
}

/** `own`: what networks get for which nobody brings a subnet. */
export function ovsLinks(
  { driver, ports, uplinks, finish, security, whenApplied, home, isThere }: OvsLinkParts,
  own: OwnSubnet,
): LinkDriver<OvsLinkSpec> {
  /** Owners of secured ports, and the bridge of each. */
  const secured = new Map<string, string>();

  /** False when its port has no number: it is not there any more, or ovs-vswitchd cannot take it. */
  async function secure(bridge: string, endpoint: BornFor): Promise<boolean> {
    const { owner, mac, addresses } = endpoint;
    const name = switchPortNameOf(owner);
    const ofport = (await ports.find(name))?.iface?.ofport ?? -1;
    if (mac === undefined || ofport <= 0) return false;
    await security.secure(bridge, { owner, name, ofport, mac, addresses: addresses.map(({ ip }) => ip) });
    secured.set(owner, bridge);
    return true;
  }

  /** What is sent while its flows are taken away would pass: so the link goes down first. */
  async function release(owner: string): Promise<void> {
    const bridge = secured.get(owner);
    if (bridge === undefined) return;
    await home.settle([setLinkRequest({ name: switchPortNameOf(owner) }, { up: false })]);
    await security.release(bridge, owner);
    secured.delete(owner);
  }

  /** Ports whose pair is there: the container has lost its network, and nobody but us would give it back. */
  async function replug(spec: OvsLinkSpec, endpoints: readonly BornFor[]): Promise<void> {
    const [one] = endpoints;
    if (!one) return;
    const there = new Set((await ports.list(one.network)).map(({ name }) => name));
    const lost = endpoints.filter(({ owner }) => !there.has(switchPortNameOf(owner)));
    const replugging = lost.map((endpoint) => async () => {
      // It comes back under another number: its flows are made anew.
      if (await driver.replug(plugOf(spec, endpoint))) secured.delete(endpoint.owner);
    });
    await settleAll(replugging);
  }

  /** Flows whose port somebody else took away before its endpoint went: whoever gets its number next would have them. */
  async function collected(bridge: string): Promise<void> {
    await security.collect(bridge, await ports.owners());
  }

  async function repaired(): Promise<void> {
    await security.repair();
  }

  return {
    ...WHOLE_LINKS,
    kind: "ovs",
    ownMac: true,
    parse(options, families) {
      const parsed = driver.parse(options, families);
      return "problems" in parsed ? parsed : { ...parsed, spec: asLinks(parsed.spec, own) };
    },
    settle: (spec, owner, isTaken) =>
      spec.bridge.how === "name" || !isTaken(spec.parent.name)
        ? spec
        : { ...spec, parent: { ...spec.parent, name: bridgeNameOf(owner, isTaken) } },
    async prepare(spec, owner, beside) {
      const { mtu, gateway } = await driver.prepare({ ...networkOf(spec, owner), ...beside });
      return { ...spec, parent: { ...spec.parent, mtu }, ...(gateway && { gatewayLink: gateway.link }) };
    },
    reach: (spec, owner, peers) => driver.reach({ ...networkOf(spec, owner), peers }),
    dismantle: (spec, owner, isLast) =>
      settleAll([
        // First what the host is reached by.
        () => (isLast ? uplinks.removeAll(spec.parent.name) : undefined),
        () => driver.dismantle(networkOf(spec, owner)),
      ]),
    endpointOptions: Object.keys(portOptions),
    parseEndpoint(options) {
      const parsed = driver.parseEndpoint(options);
      return "problems" in parsed ? parsed : { spec: { kind: "ovs", ...parsed.endpoint } };
    },
    trial: async () => undefined,
    isFree: async () => true,
    routesOnLink: () => false,
    inheritedMac: () => undefined,
    sharesAddress: () => ({ never: "the host reaches the containers by its address on the bridge" }),
    async create({ spec, mac, endpoint }) {
      if (!endpoint) throw new UnderlayError("internal", "the host has no link of its own on a switch");
      const { owner } = endpoint;
      await using undo = new AsyncDisposableStack();
      const born = await driver.create({
        ...plugOf(spec, { ...endpoint, ...(mac !== undefined && { mac }) }),
        mtu: spec.parent.mtu,
      });
      undo.defer(() => driver.remove(owner));
      const isSafe =
        !spec.portSecurity || (await secure(spec.parent.name, { ...endpoint, ...born.container }));
      if (!isSafe) throw new UnderlayError("kernel", `port ${born.port.name} cannot be secured: it has gone`);
      undo.move();
    },
    async resume(spec, endpoints) {
      await replug(spec, endpoints);
      const { portSecurity, parent } = spec;
      if (!portSecurity) return;
      const unknown = endpoints.filter(({ owner }) => !secured.has(owner));
      // Of an ovs-vswitchd that was just started, ports have no numbers yet, or those of its former life.
      if (unknown.length > 0) await whenApplied();
      const securing = unknown.map((endpoint) => async () => void (await secure(parent.name, endpoint)));
      await settleAll([...securing, repaired, () => collected(parent.name)]);
    },
    detach: (owner) => settleAll([() => release(owner), () => driver.remove(owner)]),
    finish,
    async leftovers() {
      if (!isThere()) return [];
      const owners = await ports.owners();
      const links = await Promise.all(
        owners.map((owner) => getLink(home, { name: switchPortNameOf(owner) })),
      );
      return owners.filter((_, i) => links[i] === undefined);
    },
  };
}

function networkOf(spec: OvsLinkSpec, network: string): OvsNetwork {
  return { network, bridge: spec.parent.name, spec };
}

function plugOf(spec: OvsLinkSpec, { owner, network, mac, spec: asked }: BornFor): OvsPlug {
  return {
    ...{ owner, on: networkOf(spec, network) },
    endpoint: isOvsEndpoint(asked) ? asked : { rates: {} },
    ...(mac !== undefined && { mac }),
  };
}

/** The MTU is only known when the network is prepared. */
function asLinks(spec: OvsSpec, own: OwnSubnet): OvsLinkSpec {
  const { bridge, datapath, mtu, defaultMtu, uplink } = spec;
  const made = {
    mtu: mtu ?? defaultMtu,
    ...(datapath !== undefined && { datapath }),
    ...(bridgeIsSharedGateway(spec) && { isSharedGateway: true as const }),
  };
  return {
    ...spec,
    parent: { how: "switch", name: bridge.name, ...made },
    ownSubnets: [own],
    ...(uplink?.migrate && { carriesHost: true }),
  };
}

function isOvsEndpoint(spec: EndpointSpec | undefined): spec is OvsEndpoint {
  return spec?.kind === "ovs";
}

/** As docker-ovs-plugin named them: by the first digits of the network's id; more, when another begins like it. */
function bridgeNameOf(owner: string, isTaken: (parent: string) => boolean): string {
  const id = owner.slice(owner.indexOf(":") + 1).replace(/[^0-9A-Za-z]/g, "");
  const short = `ovsbr-${id.slice(0, 5)}`;
  return isTaken(short) ? `ovsbr-${id}`.slice(0, MAX_IFNAME) : short;
}
