import { word } from "../lib/quote.ts";
import { validAttachmentsOf } from "./conf.ts";
import type { Env, Verb } from "./env.ts";
import { asCniError, CNI_CODE, CniError } from "./errors.ts";
import type { Call, Delegate, Io, Loaders, Plugin } from "./plugin.ts";
import { inVersion, parseResult, type Result } from "./result.ts";
import { isAtLeast } from "./versions.ts";

/**
 * Other plugins, each a program of its own: CNI spec 1.1.0, section 4. One that is this very program is not started,
 * it is called: a second process would cost more than all its work.
 */

/** How to ask a plugin of ours; what it answers is what it would have printed. */
const IN_PROCESS = {
  ADD: async (plugin, call) => asPrinted(await plugin.add(call), call),
  DEL: (plugin, call) => plugin.del(call),
  CHECK: (plugin, call) => plugin.check(call),
  STATUS: (plugin, call) => plugin.status(call),
  GC: (plugin, call) => plugin.gc(call, validAttachmentsOf(call.conf)),
} satisfies Readonly<Record<string, (plugin: Plugin, call: Call) => Promise<unknown>>>;

/** From 0.3.0 on a result says all that an IPAM plugin has to say. */
function asPrinted(result: Result, call: Call): Result {
  return isAtLeast(call.version, "0.3.0") ? result : inVersion(result, call.version);
}

/** `above`: the plugins of ours that are being asked, each by the one before it. */
export function delegates(env: Env, io: Io, loaders: Loaders, above: readonly string[] = []): Delegate {
  const delegate: Delegate = {
    async add(type, call) {
      const path = find(type, call, io);
      const own = await ownPlugin(type, path);
      // Ours has undone what it did.
      if (own) return IN_PROCESS.ADD(own, call);
      try {
        return resultOf(type, await exec(path, "ADD", call), call);
      } catch (thrown) {
        await afterFailure(thrown, () => exec(path, "DEL", call));
        throw thrown;
      }
    },
    del: (type, call) => ask(type, "DEL", call),
    check: (type, call) => ask(type, "CHECK", call),
    gc: (type, call) => ask(type, "GC", call),
    async status(type, call) {
      try {
        find(type, call, io);
      } catch (thrown) {
        throw new CniError(CNI_CODE.notAvailable, asCniError(thrown).message, "", thrown);
      }
      await ask(type, "STATUS", call);
    },
  };

  async function ask(type: string, verb: Exclude<Verb, "ADD" | "VERSION">, call: Call): Promise<void> {
    const path = find(type, call, io);
    const own = await ownPlugin(type, path);
    if (own) await IN_PROCESS[verb](own, call);
    else await exec(path, verb, call);
  }

  async function ownPlugin(type: string, path: string): Promise<Plugin | undefined> {
    if (!io.isOwnExecutable(path)) return undefined;
    const load = Object.hasOwn(loaders, type) ? loaders[type] : undefined;
    // It would read the same configuration and ask again, for ever.
    if (!load || above.includes(type)) {
      const known = Object.keys(loaders).join(", ");
      throw new CniError(
        CNI_CODE.config,
        load
          ? `plugin ${word(type)} would ask itself: ipam.type names one that gives addresses, like host-local or static`
          : `${path} is this program, and ${word(type)} none of its plugins: they are ${known}`,
      );
    }
    return await load({ delegate: delegates(env, io, loaders, [...above, type]), isDelegated: true });
  }

  async function exec(path: string, verb: Verb, call: Call): Promise<string> {
    const outcome = await start(path, { ...env, CNI_COMMAND: verb, CNI_NETNS: call.env.netns }, call.raw);
    if (outcome.stderr !== "") io.writeStderr(outcome.stderr);
    if (outcome.failure !== undefined) throw failureOf(outcome, outcome.failure);
    return outcome.stdout;
  }

  return delegate;
}

/** Throws both errors when what should mend the first one fails too. */
async function afterFailure(first: unknown, mend: () => Promise<unknown>): Promise<void> {
  try {
    await mend();
  } catch (second) {
    throw new AggregateError([first, second]);
  }
}

/** FindInPath of the reference's library: the first folder with a regular file of that name. Throws code 7. */
function find(type: string, call: Call, io: Io): string {
  const { path: folders } = call.env;
  if (type === "") throw new CniError(CNI_CODE.config, "no plugin name provided");
  if (type.includes("/") || type.includes("\0"))
    throw new CniError(CNI_CODE.config, `invalid plugin name: ${type}`);
  if (folders.length === 0) throw new CniError(CNI_CODE.environment, "no paths provided");
  const found = folders.map((folder) => `${folder}/${type}`).find((path) => io.isFile(path));
  if (found !== undefined) return found;
  throw new CniError(
    CNI_CODE.config,
    `failed to find plugin ${JSON.stringify(type)} in path [${folders.join(" ")}]`,
  );
}

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit status or signal of a program that failed. */
  readonly failure: string | undefined;
}

/** A program that is being written cannot be started yet: the reference tries as often. */
const BUSY = { tries: 6, pauseMs: 1000 } as const;

async function start(path: string, env: Env, input: string): Promise<Outcome> {
  for (let tries = 1; ; tries++) {
    try {
      return run(path, env, input);
    } catch (thrown) {
      if (!isBusy(thrown) || tries === BUSY.tries) {
        const why = thrown instanceof Error ? thrown.message : String(thrown);
        throw new CniError(CNI_CODE.io, `cannot start plugin ${path}: ${why}`, "", thrown);
      }
    }
    await Bun.sleep(BUSY.pauseMs);
  }
}

function isBusy(thrown: unknown): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === "ETXTBSY";
}

function run(path: string, env: Env, input: string): Outcome {
  const { stdout, stderr, exitCode, signalCode } = Bun.spawnSync([path], {
    env: { ...env },
    stdin: new TextEncoder().encode(input),
    stdout: "pipe",
    stderr: "pipe",
  });
  const failure =
    signalCode === undefined
      ? exitCode === 0
        ? undefined
        : `exit status ${exitCode}`
      : `signal: ${signalCode}`;
  return { stdout: stdout.toString(), stderr: stderr.toString(), failure };
}

/** Passes on what a plugin says of its failure, as the reference's library words it when it says it badly. */
function failureOf({ stdout, stderr }: Outcome, failure: string): CniError {
  if (stdout.trim() === "") {
    const said = stderr.trim();
    const message =
      said === ""
        ? `netplugin failed with no error message: ${failure}`
        : `netplugin failed: ${JSON.stringify(said)}`;
    return new CniError(CNI_CODE.other, message);
  }
  const told = jsonOf(stdout);
  if (typeof told !== "object" || told === null || !("msg" in told)) {
    return new CniError(
      CNI_CODE.other,
      `netplugin failed but error parsing its diagnostic message ${JSON.stringify(stdout)}`,
    );
  }
  const code = "code" in told && typeof told.code === "number" ? told.code : CNI_CODE.other;
  const details = "details" in told && typeof told.details === "string" ? told.details : "";
  return new CniError(code, String(told.msg), details);
}

function resultOf(type: string, stdout: string, call: Call): Result {
  const value = jsonOf(stdout);
  if (value === undefined) {
    throw new CniError(CNI_CODE.decode, `plugin ${type} answered no JSON: ${JSON.stringify(stdout)}`);
  }
  return parseResult(value, call.version);
}

/** Undefined for what is no JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
