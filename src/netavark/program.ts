import { problemsError, UnderlayError } from "../lib/errors.ts";
import { didYouMean } from "../lib/nearest.ts";
import { word } from "../lib/quote.ts";
import { attachingOf, type Engine } from "./attaching.ts";
import { leavingOf, statusOf, unpublished, wantedOf } from "./container.ts";
import { errorText } from "./errors.ts";
import { KINDS, type Kind, type KindName } from "./kinds.ts";
import {
  execShape,
  MAX_MESSAGE_BYTES,
  type Message,
  networkShape,
  read,
  readMessage,
  teardownShape,
} from "./messages.ts";
import { noSubnetProblems, settingsOf } from "./network.ts";

/**
 * One call of a netavark plugin: a verb in its arguments, a message on stdin, an answer on stdout. Podman calls
 * `create`, netavark the others, in the host's netns. An exit status of 0 is a success whatever was said.
 * Source: netavark 1.17, src/network/plugin.rs and plugin-API.md.
 */

/** What the composition root gives: the process it runs in, and the engine when it is asked for. */
export interface Host extends Engine {
  /** All of stdin, or `limit` + 1 bytes of what is longer. */
  readStdin(limit: number): Uint8Array;
  writeStdout(text: string): void;
  writeStderr(text: string): void;
  /** Whether a path leads to the netns of this process; false for what cannot be opened. */
  isOwnNetns(path: string): boolean;
}

export interface Driver {
  readonly kind: KindName;
  /** Of this product. */
  readonly version: string;
}

interface Call {
  readonly driver: Driver;
  readonly kind: Kind;
  readonly host: Host;
  readonly netns: string;
  /** Read when it is asked for: `info` gets none. */
  readonly message: () => Message;
}

interface VerbRule {
  readonly takesNetns: boolean;
  /** What is to be printed; undefined = nothing. */
  readonly run: (call: Call) => Promise<object | undefined>;
}

/** The version of netavark's plugin API that this speaks. */
const API_VERSION = "1.0.0";

const VERBS: Readonly<Record<string, VerbRule>> = {
  info: {
    takesNetns: false,
    run: async ({ driver }) => ({ version: driver.version, api_version: API_VERSION }),
  },
  create: { takesNetns: false, run: create },
  setup: { takesNetns: true, run: setup },
  teardown: { takesNetns: true, run: teardown },
};

/** Answers the exit status: 0 or 1. */
export async function runNetavark(driver: Driver, args: readonly string[], host: Host): Promise<number> {
  try {
    const [rule, netns] = ruleOf(args);
    const message = () => readMessage(host.readStdin(MAX_MESSAGE_BYTES));
    const answer = await rule.run({ driver, kind: KINDS[driver.kind], host, netns, message });
    if (answer !== undefined) host.writeStdout(`${JSON.stringify(answer)}\n`);
    return 0;
  } catch (thrown) {
    host.writeStdout(errorText(thrown));
    return 1;
  }
}

function ruleOf([verb = "", ...rest]: readonly string[]): [VerbRule, string] {
  const rule = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  const names = Object.keys(VERBS);
  if (!rule) {
    const what =
      verb === "" ? "no verb" : `unknown verb ${word(verb)}${didYouMean(verb.slice(0, 64), names)}`;
    throw wrong(`${what}: a netavark plugin is called with one of ${names.join(", ")}`);
  }
  const [netns = "", ...more] = rest;
  if (rule.takesNetns && netns === "") throw wrong(`${verb} needs the path of a network namespace`);
  if ((rule.takesNetns ? more : rest).length > 0) throw wrong(`too many arguments for ${verb}`);
  return [rule, netns];
}

function wrong(message: string): UnderlayError {
  return new UnderlayError("invalid_request", message);
}

/** The network as podman shall keep it: what is not said in it is decided now, not anew for each container. */
async function create({ kind, host, message }: Call): Promise<object> {
  const network = message();
  const known = read(networkShape, network);
  const { parent, link, defaults, ways, problems } = settingsOf(kind, known);
  const found = [...problems, ...noSubnetProblems(known)];
  if (found.length > 0) throw problemsError("invalid_option", found, { network: known.name });
  const name = await attachingOf(host, link).requireReady({
    parent,
    ...(ways.mtu !== undefined && { mtu: ways.mtu }),
  });
  return {
    ...network,
    network_interface: parent.name ?? name,
    options: { ...defaults, ...Object.fromEntries(known.options) },
    ...(known.network_dns_servers.length === 0 && NO_NAMES),
  };
}

/**
 * Netavark's name server never answers for networks of plugins. Podman insists on it where a network has servers of its
 * own, which containers are then told.
 */
const NO_NAMES = { dns_enabled: false };

/** Netavark does not call `teardown` after a setup that failed; what it did is undone here. */
async function setup({ kind, host, netns, message }: Call): Promise<object> {
  const exec = read(execShape, message());
  const wanted = wantedOf(kind, exec, netns);
  if (host.isOwnNetns(netns)) throw ownNetns(netns);
  const made = await attachingOf(host, wanted.link).attach(wanted);
  const warning = unpublished(exec);
  if (warning !== undefined) host.writeStderr(`underlay: ${warning}\n`);
  return statusOf(exec, made);
}

/** In our own netns a link of the host's would be removed. */
async function teardown({ kind, host, netns, message }: Call): Promise<undefined> {
  const exec = read(teardownShape, message());
  if (exec.network_options.interface_name === "") throw wrong("network_options.interface_name is missing");
  if (host.isOwnNetns(netns)) throw ownNetns(netns);
  const leaving = leavingOf(exec, netns);
  // What options say is not needed: a kind's links go as they are.
  const { link } = kind.read({}, { ipv6: false });
  if (leaving) await attachingOf(host, link).detach(leaving);
}

function ownNetns(path: string): UnderlayError {
  return new UnderlayError("invalid_request", `${word(path)} is the host's network namespace`);
}
