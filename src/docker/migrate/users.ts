import type { DockerContainer, Dockerd, DockerEndpoint, DockerNetwork, ListedContainer } from "../dockerd.ts";

/** A container that is, or when it is started will be, on a network. */
export interface User {
  readonly id: string;
  readonly name: string;
  /** Docker's word: `running`, `exited`, `created`, … */
  readonly state: string;
  /** What its user asked for there. */
  readonly chosen: {
    readonly ip?: string;
    readonly ip6?: string;
    readonly mac?: string;
    readonly aliases: readonly string[];
    readonly links: readonly string[];
    readonly linkLocal: readonly string[];
    readonly options: Readonly<Record<string, string>>;
    readonly gatewayPriority: number;
  };
  /** The addresses that it has now, whoever chose them. */
  readonly addresses: readonly string[];
  /** It was made with the network's id, which a new network does not have. */
  readonly byId: boolean;
}

/** Everything that a removal of the network would take it from, stopped containers too. Throws what dockerd throws. */
export async function usersOf(dockerd: Dockerd, network: DockerNetwork): Promise<readonly User[]> {
  const listed = (await dockerd.containers()).filter((container) => keyOf(container, network) !== undefined);
  const users: User[] = [];
  for (const { Id } of listed) {
    const container = await dockerd.container(Id);
    const endpoint = container && endpointOn(container, network);
    if (container && endpoint) users.push(userOf(container, endpoint, network));
  }
  return users.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A container that was never started has no network's id, but the name, or the id that its user typed. */
function keyOf({ NetworkSettings, HostConfig }: Networked, network: DockerNetwork): string | undefined {
  const key = Object.entries(NetworkSettings.Networks).find(
    ([name, { NetworkID }]) => NetworkID === network.Id || (NetworkID === "" && isCalled(network, name)),
  )?.[0];
  return key ?? (isCalled(network, HostConfig.NetworkMode) ? HostConfig.NetworkMode : undefined);
}

type Networked = Pick<ListedContainer, "NetworkSettings" | "HostConfig">;

function isCalled({ Name, Id }: DockerNetwork, text: string): boolean {
  return text === Name || isIdOf(Id, text);
}

/** Docker takes as little of an id as is not another's. */
function isIdOf(id: string, text: string): boolean {
  return text !== "" && id.startsWith(text);
}

function endpointOn(container: DockerContainer, network: DockerNetwork): DockerEndpoint | undefined {
  const key = keyOf(container, network);
  return key === undefined ? undefined : (container.NetworkSettings.Networks[key] ?? NOTHING_CHOSEN);
}

const NOTHING_CHOSEN: DockerEndpoint = {
  IPAMConfig: { IPv4Address: "", IPv6Address: "", LinkLocalIPs: [] },
  ...{ Aliases: [], Links: [], DriverOpts: {}, GwPriority: 0 },
  ...{ NetworkID: "", IPAddress: "", GlobalIPv6Address: "", MacAddress: "" },
};

function userOf(container: DockerContainer, endpoint: DockerEndpoint, network: DockerNetwork): User {
  const { Id, Name, State, HostConfig } = container;
  const { IPv4Address, IPv6Address, LinkLocalIPs } = endpoint.IPAMConfig;
  const mac = chosenMac(container, endpoint, network);
  return {
    id: Id,
    name: Name.replace(/^\//, ""),
    state: State.Status,
    chosen: {
      ...(IPv4Address && { ip: IPv4Address }),
      ...(IPv6Address && { ip6: IPv6Address }),
      ...(mac && { mac }),
      // Before Docker 25 the container's own short id is among them.
      aliases: endpoint.Aliases.filter((alias) => !Id.startsWith(alias)),
      links: endpoint.Links,
      linkLocal: LinkLocalIPs,
      options: endpoint.DriverOpts,
      gatewayPriority: endpoint.GwPriority,
    },
    addresses: [endpoint.IPAddress, endpoint.GlobalIPv6Address].filter((address) => address !== ""),
    byId: isIdOf(network.Id, HostConfig.NetworkMode) && HostConfig.NetworkMode !== network.Name,
  };
}

/** States in which a container has no link, and so no MAC address but a chosen one. */
const UNLINKED: readonly string[] = ["created", "exited"];

/** With a link, a random address stands in the same place as a chosen one. */
function chosenMac(
  { Config, HostConfig, State }: DockerContainer,
  { MacAddress }: DockerEndpoint,
  network: DockerNetwork,
): string | undefined {
  if (Config.MacAddress !== "" && isCalled(network, HostConfig.NetworkMode)) return Config.MacAddress;
  return UNLINKED.includes(State.Status) && MacAddress !== "" ? MacAddress : undefined;
}
