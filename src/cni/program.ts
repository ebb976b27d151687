import { didYouMean } from "../lib/nearest.ts";
import { word } from "../lib/quote.ts";
import { struct, text } from "../lib/shape.ts";
import {
  type ConfDocument,
  loadConf,
  MAX_CONF_BYTES,
  negotiate,
  prevResultOf,
  readConfDocument,
  validAttachmentsOf,
} from "./conf.ts";
import { delegates } from "./delegate.ts";
import { type CniEnv, type Env, mayBeOwnNetns, readEnv, type Verb } from "./env.ts";
import { asCniError, CNI_CODE, CniError, errorText } from "./errors.ts";
import type { Call, Conf, Delegate, Io, Loaders, Plugin } from "./plugin.ts";
import { printResult, type Result } from "./result.ts";
import { isAtLeast, isVersion, LATEST, VERSIONS, type Version, versionText } from "./versions.ts";

/**
 * One call of a CNI plugin, from the environment to the one document on stdout. What is on stdout tells the runtime
 * all; the exit status, which is returned, only whether it is an error.
 */

interface VerbRule {
  /** The version of the configuration from which on the verb may be called. */
  readonly since?: Version;
  /** Answers what is to be printed. */
  readonly run: (plugin: Plugin, call: Call) => Promise<string>;
}

const silent = async (work: Promise<void>): Promise<string> => {
  await work;
  return "";
};

type ServedVerb = Exclude<Verb, "VERSION">;
type ServedEnv = CniEnv & { readonly verb: ServedVerb };
type ServedCall = Call & { readonly env: ServedEnv };

const RULES: Readonly<Record<ServedVerb, VerbRule>> = {
  // A result that the configuration's version cannot say is an error, but the link stays, as the reference leaves it.
  ADD: { run: async (plugin, call) => printResult(await plugin.add(call), call.version) },
  DEL: { run: (plugin, call) => silent(plugin.del(call)) },
  CHECK: { since: "0.4.0", run: (plugin, call) => silent(plugin.check(call)) },
  GC: { since: "1.1.0", run: (plugin, call) => silent(plugin.gc(call, validAttachmentsOf(call.conf))) },
  STATUS: { since: "1.1.0", run: (plugin, call) => silent(plugin.status(call)) },
};

export interface PluginProgram {
  /** The plugin's type, one of the loaders' names; absent: the configuration's `kind` says which. */
  readonly name?: string | undefined;
  /** Of this product. */
  readonly version: string;
  readonly loaders: Loaders;
}

/** Answers the exit status: 0 or 1. */
export async function runCni(program: PluginProgram, env: Env, io: Io): Promise<number> {
  // Nobody's call: a person asks, or nerdctl, which reads this.
  if (!env["CNI_COMMAND"]) {
    io.writeStderr(aboutText(program));
    return 0;
  }
  const told = await answer(program, env, io);
  if (told.text !== "") io.writeStdout(told.text);
  return told.status;
}

/** The name under which it is called when it is none of the plugins. */
const ANY = "underlay";

function aboutText({ name = ANY, version }: PluginProgram): string {
  return `CNI ${name} plugin v${version}\nCNI protocol versions supported: ${VERSIONS.join(", ")}\n`;
}

interface Answer {
  readonly text: string;
  readonly status: number;
}

async function answer(program: PluginProgram, env: Env, io: Io): Promise<Answer> {
  let version = LATEST;
  try {
    const { verb, ...checked } = readEnv(env);
    if (verb === "VERSION") return { text: `${versionText()}\n`, status: 0 };
    const document = readConfDocument(io.readStdin(MAX_CONF_BYTES));
    if (isVersion(document.cniVersion)) version = document.cniVersion;
    const call = callOf({ verb, ...checked }, document, io);
    return { text: await serve(program, env, io, call), status: 0 };
  } catch (thrown) {
    return { text: errorText(asCniError(thrown), version), status: 1 };
  }
}

/** A call whose verb the configuration's version allows. */
function callOf(env: ServedEnv, { conf, raw, name, cniVersion }: ConfDocument, io: Io): ServedCall {
  const { since } = RULES[env.verb];
  if (since && isVersion(cniVersion) && !isAtLeast(cniVersion, since)) {
    throw new CniError(CNI_CODE.incompatibleVersion, `config version does not allow ${env.verb}`);
  }
  const version = negotiate(cniVersion, VERSIONS);
  const prevResult = PREVIOUS[env.verb](() => prevResultOf(conf, version), io);
  return { env, conf, raw, name, version, ...(prevResult && { prevResult }) };
}

/** Who reads prevResult, and whether it must be sound. */
const PREVIOUS: Readonly<Record<ServedVerb, (read: () => Result | undefined, io: Io) => Result | undefined>> =
  {
    ADD: (read) => read(),
    CHECK: (read) => read(),
    DEL: soundOrNone,
    GC: () => undefined,
    STATUS: () => undefined,
  };

/** A DEL has to free what it can, whatever the runtime remembers. */
function soundOrNone(read: () => Result | undefined, io: Io): Result | undefined {
  try {
    return read();
  } catch (thrown) {
    io.writeStderr(`underlay: prevResult is not used: ${asCniError(thrown).message}\n`);
    return undefined;
  }
}

/**
 * The netns is looked at before any work: in our own, an ADD would make a link of the host's and a DEL remove one. Such
 * a DEL frees what is not in a netns, as for a container that is gone, and then says what is wrong.
 */
async function serve(program: PluginProgram, env: Env, io: Io, call: ServedCall): Promise<string> {
  const { verb, netns } = call.env;
  const own =
    (verb === "ADD" || verb === "DEL") && netns !== "" && !mayBeOwnNetns(env) && io.isOwnNetns(netns);
  if (own && verb === "ADD") throw ownNetns();
  const plugin = await loaded(program, call.conf, (kind) => delegates(env, io, program.loaders, [kind]));
  const said = await RULES[verb].run(plugin, own ? { ...call, env: { ...call.env, netns: "" } } : call);
  if (own) throw ownNetns();
  return said;
}

function ownNetns(): CniError {
  return new CniError(CNI_CODE.netns, "plugin's netns and netns from CNI_NETNS should not be the same");
}

function loaded(
  { name, loaders }: PluginProgram,
  conf: Conf,
  delegateOf: (kind: string) => Delegate,
): Promise<Plugin> {
  const kind = name ?? loadConf(conf, kindShape).kind;
  const load = Object.hasOwn(loaders, kind) ? loaders[kind] : undefined;
  if (load) return load({ delegate: delegateOf(kind), isDelegated: false });
  const kinds = Object.keys(loaders);
  throw name === undefined
    ? new CniError(
        CNI_CODE.config,
        kind === ""
          ? `missing "kind": type ${ANY} is one of ${kinds.join(", ")}`
          : `unknown kind ${word(kind)}${didYouMean(kind, kinds)}`,
      )
    : new CniError(CNI_CODE.other, `no CNI plugin ${word(name)} in this program`);
}

const kindShape = struct({ kind: text });
