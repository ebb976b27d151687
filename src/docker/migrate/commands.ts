import { shellWord } from "../../lib/quote.ts";
import type { DockerNetwork } from "../dockerd.ts";
import { configOf, DEFAULT_IPAM } from "./target.ts";
import type { User } from "./users.ts";

/** The same with the client's words, each one a line that a shell takes. */

type Words = readonly (string | readonly string[])[];

/** `docker network create …` as it would be typed to make this network, with this driver. */
export function createCommand(network: DockerNetwork, driver: string): string {
  const { Name, Scope, Internal, Attachable, EnableIPv4, EnableIPv6, IPAM } = network;
  const config = configOf(network);
  const own: Words =
    config !== undefined
      ? [["--config-from", config]]
      : [
          EnableIPv4 === false ? ["--ipv4=false"] : [],
          EnableIPv6 ? ["--ipv6"] : [],
          IPAM.Driver === "" || IPAM.Driver === DEFAULT_IPAM ? [] : ["--ipam-driver", IPAM.Driver],
          ...pairs("--ipam-opt", IPAM.Options),
          ...IPAM.Config.flatMap(poolWords),
          ...pairs("-o", network.Options),
          ...pairs("--label", network.Labels),
        ];
  return line([
    ["docker", "network", "create", "-d", driver],
    Scope === "" || Scope === "local" ? [] : ["--scope", Scope],
    Internal ? ["--internal"] : [],
    Attachable ? ["--attachable"] : [],
    ...own,
    Name,
  ]);
}

function poolWords(pool: DockerNetwork["IPAM"]["Config"][number]): Words {
  const flags = [
    ["--subnet", pool.Subnet],
    ["--ip-range", pool.IPRange],
    ["--gateway", pool.Gateway],
  ];
  return [...flags.filter(([, value]) => value !== ""), ...pairs("--aux-address", pool.AuxiliaryAddresses)];
}

function pairs(flag: string, values: Readonly<Record<string, string>>): Words {
  return Object.entries(values).map(([key, value]) => [flag, value === "" ? key : `${key}=${value}`]);
}

export function removeCommand({ Name }: DockerNetwork): string {
  return line([["docker", "network", "rm", Name]]);
}

export function disconnectCommand(network: DockerNetwork, user: User): string {
  return line([["docker", "network", "disconnect", network.Name, user.name]]);
}

/** Puts it back with what was chosen for it, but for a MAC address, which the client cannot say. */
export function connectCommand(network: DockerNetwork, { name, chosen }: User): string {
  return line([
    ["docker", "network", "connect"],
    chosen.ip === undefined ? [] : ["--ip", chosen.ip],
    chosen.ip6 === undefined ? [] : ["--ip6", chosen.ip6],
    ...chosen.linkLocal.map((address) => ["--link-local-ip", address]),
    ...chosen.aliases.map((alias) => ["--alias", alias]),
    ...chosen.links.map((link) => ["--link", link]),
    ...pairs("--driver-opt", chosen.options),
    chosen.gatewayPriority === 0 ? [] : ["--gw-priority", String(chosen.gatewayPriority)],
    network.Name,
    name,
  ]);
}

function line(words: Words): string {
  return words.flat().map(shellWord).join(" ");
}
