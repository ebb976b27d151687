import type { DockerNetwork, NetworkToCreate } from "../dockerd.ts";

/** One of Docker's own drivers, and ours that takes its networks over. */
export interface Target {
  readonly from: "macvlan" | "ipvlan";
  readonly to: string;
  /** The options that Docker's own driver reads. It ignores all others, which ours does not. */
  readonly reads: readonly string[];
  /** The one of its mode, and the mode without it. */
  readonly mode: { readonly option: string; readonly fallback: string };
}

export const TARGETS: readonly Target[] = [
  {
    from: "macvlan",
    to: "underlay-macvlan",
    reads: ["parent", "macvlan_mode"],
    mode: { option: "macvlan_mode", fallback: "bridge" },
  },
  {
    from: "ipvlan",
    to: "underlay-ipvlan",
    reads: ["parent", "ipvlan_mode", "ipvlan_flag"],
    mode: { option: "ipvlan_mode", fallback: "l2" },
  },
];

/** Docker's IPAM when nobody names another. */
export const DEFAULT_IPAM = "default";

/**
 * The body of `POST /networks/create` that makes the network again, with this driver. A network of a configuration has
 * its subnets, options and labels from there, and dockerd refuses to be told them again.
 */
export function toCreate(network: DockerNetwork, driver: string): NetworkToCreate {
  const { Name, Scope, Internal, Attachable, EnableIPv4, EnableIPv6, IPAM, Options, Labels } = network;
  const about = {
    Name,
    Driver: driver,
    // Before Docker 25 two networks could have one name.
    CheckDuplicate: true,
    Internal,
    Attachable,
    ...(Scope === "" || Scope === "local" ? {} : { Scope }),
  };
  const config = configOf(network);
  // What the client sends when nothing is chosen: without it dockerd forgets that there are no IPAM options.
  const plain = { Driver: DEFAULT_IPAM, Options: {}, Config: [] };
  if (config !== undefined) return { ...about, ConfigFrom: { Network: config }, IPAM: plain };
  return {
    ...about,
    ...(EnableIPv4 === undefined ? {} : { EnableIPv4 }),
    EnableIPv6,
    IPAM: {
      Driver: IPAM.Driver || DEFAULT_IPAM,
      Options: IPAM.Options,
      Config: IPAM.Config.map(({ AuxiliaryAddresses, ...pool }) => ({
        ...Object.fromEntries(Object.entries(pool).filter(([, value]) => value !== "")),
        ...(Object.keys(AuxiliaryAddresses).length > 0 && { AuxiliaryAddresses }),
      })),
    },
    Options,
    Labels,
  };
}

/** Name of the network whose configuration it has. */
export function configOf({ ConfigFrom }: DockerNetwork): string | undefined {
  return ConfigFrom.Network || undefined;
}
