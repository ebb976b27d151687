import type { Problem } from "../../lib/errors.ts";
import { UnderlayError } from "../../lib/errors.ts";
import { didYouMean } from "../../lib/nearest.ts";
import { word } from "../../lib/quote.ts";
import type { DockerNetwork } from "../dockerd.ts";
import { connectCommand, createCommand, disconnectCommand, removeCommand } from "./commands.ts";
import { TARGETS, type Target } from "./target.ts";
import type { User } from "./users.ts";

/**
 * - `ready`: no container uses it, and nothing speaks against it
 * - `in_use`: containers are on it, which lose it for a moment
 * - `refused`: our driver would not take it as it is
 * - `by_hand`: it is the swarm's, whose services are not looked at; or a container that is on it could not come back
 * - `already`: it is ours
 */
export type Readiness = "ready" | "in_use" | "refused" | "by_hand" | "already";

/** How one network is moved. */
export interface Plan {
  readonly network: DockerNetwork;
  readonly target: Target;
  readonly readiness: Readiness;
  /** Why it is not ready. */
  readonly reasons: readonly string[];
  /** What will be different. */
  readonly notes: readonly string[];
  readonly users: readonly User[];
  /** In the order in which they are to be done. */
  readonly commands: readonly string[];
  /** Makes the network of Docker's own driver again. */
  readonly restore: string;
}

export interface Chosen {
  readonly network: DockerNetwork;
  readonly target: Target;
  /** Names of other networks of Docker's own drivers on the same VLAN link, which these make and remove. */
  readonly sharing: readonly string[];
}

/**
 * Which networks are meant, by name, id, or the beginning of one; all of Docker's own drivers when nothing is given.
 * Throws for every wrong one together: `not_found`, `conflict` when it is of a driver that cannot be taken over.
 */
export function chosen(all: readonly DockerNetwork[], wanted: readonly string[]): readonly Chosen[] {
  const movable = all.flatMap((network) => {
    const target = targetOf(network);
    return target ? [{ network, target, sharing: sharingWith(network, all) }] : [];
  });
  if (wanted.length === 0) return movable.filter(({ network, target }) => network.Driver === target.from);
  const found = wanted.map((name) => findNetwork(all, name));
  const missing = wanted.filter((_, i) => found[i] === undefined);
  if (missing.length > 0) {
    const names = movable.map(({ network }) => network.Name);
    const problems = missing.map((name) => ({
      subject: name,
      message: `Docker has no network ${word(name)}${didYouMean(name.slice(0, 64), names)}`,
    }));
    throw failed("not_found", problems);
  }
  const networks = [...new Set(found.flatMap((network) => network ?? []))];
  const others = networks.filter((network) => targetOf(network) === undefined);
  if (others.length > 0) throw failed("conflict", others.map(foreignProblem));
  return movable.filter(({ network }) => networks.includes(network));
}

function sharingWith({ Id, Options }: DockerNetwork, all: readonly DockerNetwork[]): string[] {
  const { parent = "" } = Options;
  if (!/\.\d+$/.test(parent)) return [];
  return all
    .filter((other) => other.Id !== Id && other.Options["parent"] === parent)
    .filter(({ Driver }) => TARGETS.some(({ from }) => from === Driver))
    .map(({ Name }) => Name);
}

function targetOf({ Driver }: DockerNetwork): Target | undefined {
  return TARGETS.find(({ from, to }) => Driver === from || Driver === to);
}

function findNetwork(all: readonly DockerNetwork[], text: string): DockerNetwork | undefined {
  const exact = all.find(({ Name }) => Name === text) ?? all.find(({ Id }) => Id === text);
  if (exact) return exact;
  const [first, second] = all.filter(({ Id }) => text !== "" && Id.startsWith(text));
  if (second)
    throw new UnderlayError("invalid_request", `several networks have an id that begins with ${word(text)}`);
  return first;
}

function foreignProblem({ Name, Driver, ConfigOnly }: DockerNetwork): Problem {
  const drivers = TARGETS.map(({ from }) => from).join(" and ");
  const what = ConfigOnly
    ? "is a configuration, which serves any driver and stays as it is"
    : `is of the driver ${word(Driver)}; only those of ${drivers} can be moved`;
  return { subject: Name, message: `network ${word(Name)} ${what}` };
}

function failed(code: "not_found" | "conflict", problems: readonly Problem[]): UnderlayError {
  return new UnderlayError(code, problems.map(({ message }) => message).join("; "), { problems });
}

/** `problems`: what our driver has against it. */
export function planOf(
  { network, target, sharing }: Chosen,
  users: readonly User[],
  problems: readonly Problem[],
): Plan {
  const readiness = readinessOf(network, target, users, problems);
  const isOurs = readiness === "already";
  return {
    network,
    target,
    readiness,
    reasons: reasonsOf(readiness, network, users, problems),
    notes: isOurs ? [] : [...notesOf(network, target, sharing), ...users.flatMap(userNotes)],
    users,
    commands: isOurs ? [] : commandsOf(network, target, users),
    restore: isOurs ? "" : createCommand(network, target.from),
  };
}

function readinessOf(
  network: DockerNetwork,
  target: Target,
  users: readonly User[],
  problems: readonly Problem[],
): Readiness {
  if (network.Driver === target.to) return "already";
  if (problems.length > 0) return "refused";
  if (byHand(network, users).length > 0) return "by_hand";
  return users.length > 0 ? "in_use" : "ready";
}

function reasonsOf(
  readiness: Readiness,
  network: DockerNetwork,
  users: readonly User[],
  problems: readonly Problem[],
): string[] {
  const reasons: Readonly<Record<Readiness, readonly string[]>> = {
    ready: [],
    in_use: [`used by ${users.map(({ name, state }) => `${name} (${state})`).join(", ")}`],
    refused: problems.map(({ message }) => message),
    by_hand: byHand(network, users),
    already: [],
  };
  return [...reasons[readiness]];
}

/** Docker 28 connects no container whose network mode is an id that it does not know any more. */
function byHand({ Scope }: DockerNetwork, users: readonly User[]): string[] {
  return [
    ...(Scope === "swarm" ? ["it is the swarm's: services that use it are not looked at"] : []),
    ...users
      .filter(({ byId }) => byId)
      .map(
        ({ name }) =>
          `${name} was made with the network's id, which a new one does not have: make it anew with the name first`,
      ),
  ];
}

function commandsOf(network: DockerNetwork, target: Target, users: readonly User[]): string[] {
  return [
    ...users.map((user) => disconnectCommand(network, user)),
    removeCommand(network),
    createCommand(network, target.to),
    ...users.map((user) => connectCommand(network, user)),
  ];
}

/** dockerd puts these among the options itself, or reads them itself; no driver decides about them. */
const OF_DOCKER = /^com\.docker\.network\.(enable_ipv[46]|internal|endpoint\..*|advertise_addr_.*)$/;

function notesOf(
  { Options, Labels }: DockerNetwork,
  { to, reads }: Target,
  sharing: readonly string[],
): string[] {
  const ignored = Object.keys(Options).filter((name) => !reads.includes(name) && !OF_DOCKER.test(name));
  const project = Labels["com.docker.compose.project"];
  return [
    ...(ignored.length > 0
      ? [`Docker's driver ignored ${ignored.map(word).join(", ")}; ${to} does not`]
      : []),
    ...(sharing.length > 0
      ? [
          `Docker's driver may remove ${word(Options["parent"] ?? "")} with the last of its networks there: move ` +
            `${sharing.map(word).join(", ")} too before containers start again`,
        ]
      : []),
    ...(project === undefined
      ? []
      : [
          `made by Compose, project ${word(project)}: say driver: ${to} in its file too, or \`up\` wants the old one`,
        ]),
  ];
}

function userNotes({ name, chosen, addresses }: User): string[] {
  const hasChosen = chosen.ip !== undefined || chosen.ip6 !== undefined;
  const notes = [
    chosen.mac === undefined
      ? undefined
      : `its MAC address ${chosen.mac} was chosen, and newer Dockers forget that here: make it anew with --mac-address`,
    addresses.length === 0 || hasChosen
      ? undefined
      : `it has ${addresses.join(" and ")}, which nobody chose: to keep it, say --ip when it is connected`,
  ];
  return notes.flatMap((note) => (note === undefined ? [] : [`${word(name)}: ${note}`]));
}
