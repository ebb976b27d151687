import { existsSync, mkdirSync, statSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { PLUGIN_NAMES } from "../../src/cni/plugins.ts";
import { type Output, run } from "./run.ts";

/**
 * CNI plugins as a runtime meets them: programs in folders, asked by environment and stdin, answering on stdout. What
 * the protocol forbids (two documents, text after a success, a status that contradicts the text) throws here, so that
 * every test that asks a plugin anything proves it too.
 */

const PROGRAM = resolve(import.meta.dir, "../../dist/underlay");

export type CniVerb = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";

/** The attachment that a call is about. */
export interface Attachment {
  readonly containerId: string;
  /** A path; empty for a container that is gone. */
  readonly netns: string;
  readonly ifname: string;
  /** CNI_ARGS. */
  readonly args?: string;
}

/** A plugin's configuration, or one of a list. */
export type CniConf = Readonly<Record<string, unknown>>;

/** As it was printed, of any version. */
export interface CniResult {
  readonly cniVersion: string;
  readonly interfaces?: readonly {
    readonly name: string;
    readonly mac?: string;
    readonly mtu?: number;
    readonly sandbox?: string;
  }[];
  readonly ips?: readonly {
    readonly version?: string;
    readonly address: string;
    readonly gateway?: string;
    readonly interface?: number;
  }[];
  readonly routes?: readonly { readonly dst: string; readonly gw?: string }[];
  readonly dns?: Readonly<Record<string, unknown>>;
  readonly ip4?: PoorFamily;
  readonly ip6?: PoorFamily;
}

interface PoorFamily {
  readonly ip: string;
  readonly gateway?: string;
  readonly routes?: readonly { readonly dst: string; readonly gw?: string }[];
}

/** What a plugin said on stdout when it failed. */
export class CniFailure extends Error {
  override readonly name = "CniFailure";
  readonly code: number;
  readonly details: string;

  constructor(verb: CniVerb, type: string, said: ErrorDocument) {
    super(said.msg, { cause: `${type} ${verb}: ${JSON.stringify(said)}` });
    this.code = said.code;
    this.details = said.details ?? "";
  }
}

interface ErrorDocument {
  readonly code: number;
  readonly msg: string;
  readonly details?: string;
}

export interface CniHostOptions {
  /** CNI_PATH. */
  readonly folders: readonly string[];
  /** Path of the netns that plays the host; absent = the tests' own. */
  readonly netns?: string;
  /** A command that starts the one that is appended to it. */
  readonly wrap?: readonly string[];
  /** Beside PATH. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A host on which plugins are called. A failure that the plugin words itself is thrown as `CniFailure`. */
export interface CniHost {
  readonly folders: readonly string[];
  add(conf: CniConf, attachment: Attachment): Promise<CniResult>;
  del(conf: CniConf, attachment: Attachment): Promise<void>;
  check(conf: CniConf, attachment: Attachment): Promise<void>;
  /** With the attachments that live; without, the configuration does not say. */
  gc(conf: CniConf, valid?: readonly Pick<Attachment, "containerId" | "ifname">[]): Promise<void>;
  status(conf: CniConf): Promise<void>;
  /** The versions that a plugin speaks. */
  version(type: string): Promise<readonly string[]>;
  /** Any verb with any text on stdin; answers what came, whatever it is. */
  raw(type: string, env: Readonly<Record<string, string>>, stdin: string | Blob): Promise<Output>;
}

/** The built program under the names of its plugins in `folder`, by links. The caller removes the folder. */
export function linkPlugins(
  folder: string,
  names: readonly string[] = PLUGIN_NAMES,
  program = PROGRAM,
): string {
  if (!existsSync(program)) throw new Error(`${program} is missing: run \`make build\``);
  mkdirSync(folder, { recursive: true });
  for (const name of names) symlinkSync(program, join(folder, name));
  return folder;
}

export function cniHost({ folders, netns, wrap = [], env = {} }: CniHostOptions): CniHost {
  // Beside the test's own plugins: the machine's state directory is not ours to write in.
  const [first = ""] = folders;
  const base = {
    PATH: process.env["PATH"] ?? "",
    UNDERLAY_STATE_DIR: join(first, "../underlay-state"),
    ...env,
  };

  function raw(
    type: string,
    cniEnv: Readonly<Record<string, string>>,
    stdin: string | Blob,
  ): Promise<Output> {
    const enter = netns === undefined ? [] : ["nsenter", `--net=${netns}`];
    return run([...enter, ...wrap, findPlugin(type, folders)], { input: stdin, env: { ...base, ...cniEnv } });
  }

  async function call(verb: CniVerb, conf: CniConf, attachment?: Attachment): Promise<unknown> {
    const type = String(conf["type"]);
    return answerOf(verb, type, await raw(type, envOf(verb, folders, attachment), JSON.stringify(conf)));
  }

  return {
    folders,
    raw,
    add: async (conf, attachment) => resultOf(await call("ADD", conf, attachment)),
    async del(conf, attachment) {
      await call("DEL", conf, attachment);
    },
    async check(conf, attachment) {
      await call("CHECK", conf, attachment);
    },
    async gc(conf, valid) {
      const attachments = valid?.map(({ containerId, ifname }) => ({ containerID: containerId, ifname }));
      await call("GC", attachments ? { ...conf, ...validKeys(attachments) } : conf);
    },
    async status(conf) {
      await call("STATUS", conf);
    },
    async version(type) {
      const answer = await call("VERSION", { type, cniVersion: "1.1.0" });
      if (!isObject(answer) || !Array.isArray(answer["supportedVersions"])) {
        throw new Error(`${type} VERSION: ${JSON.stringify(answer)}`);
      }
      return answer["supportedVersions"].map(String);
    },
  };
}

/** The key of the spec, and the one that libcni writes beside it. */
function validKeys(attachments: readonly object[]): CniConf {
  return { "cni.dev/valid-attachments": attachments, "cni.dev/attachments": attachments };
}

/** FindInPath: the first folder with a regular file of that name. */
function findPlugin(type: string, folders: readonly string[]): string {
  const found = folders.map((folder) => join(folder, type)).find(isFile);
  if (found === undefined) throw new Error(`failed to find plugin "${type}" in path [${folders.join(" ")}]`);
  return found;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** libcni sets all six, empty or not. */
export function envOf(
  verb: CniVerb,
  folders: readonly string[],
  attachment?: Attachment,
): Record<string, string> {
  return {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: attachment?.containerId ?? "",
    CNI_NETNS: attachment?.netns ?? "",
    CNI_ARGS: attachment?.args ?? "",
    CNI_IFNAME: attachment?.ifname ?? "",
    CNI_PATH: folders.join(":"),
  };
}

/** Undefined for a success without a text, which all but ADD and VERSION must have. */
export function answerOf(verb: CniVerb, type: string, { code, stdout, stderr }: Output): unknown {
  const broken = (why: string) =>
    new Error(`${type} ${verb}: ${why}\nexit ${code}\n--- stdout\n${stdout}\n--- stderr\n${stderr}`);
  const speaks = verb === "ADD" || verb === "VERSION";
  if (code === 0 && !speaks) {
    if (stdout !== "") throw broken("a success that is not silent");
    return undefined;
  }
  const document = parsed(stdout);
  if (!isObject(document)) throw broken("stdout is not one JSON object");
  if (code === 0) {
    if ("code" in document) throw broken("an error with exit status 0");
    return document;
  }
  if (!isError(document)) throw broken("a failure without code and msg");
  if (code !== 1) throw broken("a failure whose exit status is not 1");
  throw new CniFailure(verb, type, document);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isError(document: object): document is ErrorDocument {
  const { code, msg, details }: { code?: unknown; msg?: unknown; details?: unknown } = document;
  return (
    typeof code === "number" &&
    typeof msg === "string" &&
    (details === undefined || typeof details === "string")
  );
}

export function resultOf(document: unknown): CniResult {
  if (isObject(document) && isResult(document)) return document;
  throw new Error(`no result: ${JSON.stringify(document)}`);
}

/** Its version says what it is; what else is in it is the tests' matter. */
function isResult(document: object): document is CniResult {
  return "cniVersion" in document && typeof document.cniVersion === "string";
}
