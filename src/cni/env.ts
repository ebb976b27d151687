import { ifnameProblem, MAX_IFNAME } from "../lib/ifname.ts";
import { CNI_CODE, CniError } from "./errors.ts";

export const VERBS = ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"] as const;

export type Verb = (typeof VERBS)[number];

/** The variables of a process. */
export type Env = Readonly<Record<string, string | undefined>>;

/** The environment of a call, checked. Which of these a verb must have is a table; absent ones are empty. */
export interface CniEnv {
  readonly verb: Verb;
  readonly containerId: string;
  /** Empty on a DEL whose container is gone. */
  readonly netns: string;
  readonly ifname: string;
  /** CNI_PATH, split. */
  readonly path: readonly string[];
  /** CNI_ARGS as it came: each plugin knows other keys. */
  readonly args: string;
}

interface Variable {
  readonly name: string;
  readonly neededBy: readonly Verb[];
  /** Asked only for verbs that need the variable. */
  readonly check?: (value: string) => CniError | undefined;
}

/** In the order in which missing ones are listed. The spec has CNI_PATH optional; the reference needs it, so runtimes give it. */
const NEEDED: readonly Variable[] = [
  { name: "CNI_CONTAINERID", neededBy: ["ADD", "DEL", "CHECK"], check: checkContainerId },
  { name: "CNI_NETNS", neededBy: ["ADD", "CHECK"] },
  { name: "CNI_IFNAME", neededBy: ["ADD", "DEL", "CHECK"], check: checkIfname },
  { name: "CNI_PATH", neededBy: ["ADD", "DEL", "CHECK", "GC", "STATUS"] },
];

/** Throws code 4. A process without CNI_COMMAND is asked nothing: it is told what the plugin is. */
export function readEnv(env: Env): CniEnv {
  const command = env["CNI_COMMAND"] ?? "";
  const verb = VERBS.find((known) => known === command);
  const missing = command === "" ? ["CNI_COMMAND"] : [];
  for (const { name, check } of NEEDED.filter(
    ({ neededBy }) => verb !== undefined && neededBy.includes(verb),
  )) {
    const value = env[name] ?? "";
    if (value === "") missing.push(name);
    const problem = value === "" ? undefined : check?.(value);
    if (problem) throw problem;
  }
  if (missing.length > 0) throw wrong(`required env variables [${missing.join(",")}] missing`);
  if (verb === undefined) throw wrong(`unknown CNI_COMMAND: ${command}`);
  return {
    verb,
    containerId: env["CNI_CONTAINERID"] ?? "",
    netns: env["CNI_NETNS"] ?? "",
    ifname: env["CNI_IFNAME"] ?? "",
    path: (env["CNI_PATH"] ?? "").split(":").filter((folder) => folder !== ""),
    args: env["CNI_ARGS"] ?? "",
  };
}

/** CNI_NETNS_OVERRIDE: the netns may be the one that the plugin runs in. */
export function mayBeOwnNetns(env: Env): boolean {
  return ["1", "true"].includes((env["CNI_NETNS_OVERRIDE"] ?? "").toLowerCase());
}

/** Container ids and network names become file names. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

export function isCniName(text: string): boolean {
  return NAME.test(text);
}

function checkContainerId(id: string): CniError | undefined {
  return isCniName(id) ? undefined : wrong("invalid characters in containerID", id);
}

/** What the reference refuses, in its words; then what only the kernel would. */
function checkIfname(name: string): CniError | undefined {
  if (byteLength(name) > MAX_IFNAME)
    return wrong(
      "interface name is too long",
      `interface name should be less than ${MAX_IFNAME + 1} characters`,
    );
  if (name === "." || name === "..") return wrong("interface name is . or ..");
  if (/[/:\s\u0085]/.test(name))
    return wrong("interface name contains / or : or whitespace characters", JSON.stringify(name));
  const problem = ifnameProblem(name);
  return problem === undefined ? undefined : wrong(problem);
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

function wrong(message: string, details = ""): CniError {
  return new CniError(CNI_CODE.environment, message, details);
}
