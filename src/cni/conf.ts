import type { Problem } from "../lib/errors.ts";
import { list, type Shape, struct, text } from "../lib/shape.ts";
import { isCniName } from "./env.ts";
import { CNI_CODE, CniError } from "./errors.ts";
import type { AttachmentId, Conf } from "./plugin.ts";
import { parseResult, type Result, type ResultInterface } from "./result.ts";
import { isVersion, type Version } from "./versions.ts";

/** A configuration that is longer is somebody's mistake. */
export const MAX_CONF_BYTES = 1024 * 1024;

/** A configuration as far as every plugin has to understand it. */
export interface ConfDocument {
  readonly conf: Conf;
  readonly raw: string;
  readonly name: string;
  /** As it came; absent and empty mean 0.1.0. */
  readonly cniVersion: string;
}

const headShape = struct({ name: text, cniVersion: text });

/**
 * What came on stdin. Bytes that are no UTF-8 become U+FFFD, as in Go. Throws code 6 for what is no JSON object, 7 for
 * a name that is none.
 */
export function readConfDocument(bytes: Uint8Array): ConfDocument {
  if (bytes.length > MAX_CONF_BYTES) throw undecodable(`it is longer than ${MAX_CONF_BYTES} bytes`);
  const raw = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  const conf = jsonObject(raw);
  const problems: Problem[] = [];
  const { name, cniVersion } = headShape(conf, "", problems);
  if (problems.length > 0) throw undecodable(messagesOf(problems));
  if (name === "") throw new CniError(CNI_CODE.config, "missing network name");
  if (!isCniName(name)) throw new CniError(CNI_CODE.config, "invalid characters found in network name", name);
  return { conf, raw, name, cniVersion: cniVersion || "0.1.0" };
}

function jsonObject(raw: string): Conf {
  const value = parsed(raw);
  if (value === null) return {};
  if (!isObject(value))
    throw undecodable(`it must be an object, not ${Array.isArray(value) ? "a list" : typeof value}`);
  return value;
}

function parsed(raw: string): unknown {
  if (raw.trim() === "") throw undecodable("nothing came on stdin");
  try {
    return JSON.parse(raw);
  } catch (thrown) {
    throw undecodable(thrown instanceof Error ? thrown.message : String(thrown), thrown);
  }
}

function isObject(value: unknown): value is Conf {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function undecodable(why: string, cause?: unknown): CniError {
  return new CniError(CNI_CODE.decode, `error unmarshall network config: ${why}`, "", cause);
}

function messagesOf(problems: readonly Problem[]): string {
  return problems.map(({ message }) => message).join("; ");
}

/** The configuration's version, when it is one that the plugin speaks; else throws code 1. */
export function negotiate(cniVersion: string, supported: readonly Version[]): Version {
  if (isVersion(cniVersion) && supported.includes(cniVersion)) return cniVersion;
  const list = supported.map((version) => JSON.stringify(version)).join(" ");
  throw new CniError(
    CNI_CODE.incompatibleVersion,
    "incompatible CNI versions",
    `config is ${JSON.stringify(cniVersion)}, plugin supports [${list}]`,
  );
}

/**
 * The keys that a plugin knows, by the rules of Go: any case, strict types, all others ignored. Throws code 7 with all
 * that is wrong.
 */
export function loadConf<T>(conf: Conf, shape: Shape<T>): T {
  const problems: Problem[] = [];
  const known = shape(conf, "", problems);
  if (problems.length > 0)
    throw new CniError(CNI_CODE.config, `failed to load netconf: ${messagesOf(problems)}`);
  return known;
}

/** A value of the configuration, whatever its key's case; of several the last. `null` is as good as absent. */
function keyed(conf: Conf, key: string): unknown {
  const lower = key.toLowerCase();
  return Object.entries(conf).findLast(([name]) => name.toLowerCase() === lower)?.[1] ?? undefined;
}

/** What the plugin before this one said. Throws code 6 when it is no result. */
export function prevResultOf(conf: Conf, version: Version): Result | undefined {
  const value = keyed(conf, "prevResult");
  if (value === undefined) return undefined;
  try {
    return parseResult(value, version);
  } catch (thrown) {
    if (!(thrown instanceof CniError)) throw thrown;
    throw new CniError(thrown.code, `could not parse prevResult: ${thrown.message}`, thrown.details, thrown);
  }
}

/** The same where it must be there: CHECK, and plugins that work on what another made. */
export function requirePrevResult(prevResult: Result | undefined): Result {
  if (prevResult === undefined) throw new CniError(CNI_CODE.config, "Required prevResult missing");
  return prevResult;
}

/** What prevResult says of the link in the container. Throws code 999, as the reference does. */
export function toldInterface({ interfaces }: Result, ifname: string): ResultInterface & { sandbox: string } {
  for (const told of interfaces) {
    const { name, sandbox } = told;
    if (name === ifname && sandbox !== undefined) return { ...told, sandbox };
  }
  throw new CniError(CNI_CODE.other, `prevResult has no interface ${ifname}`);
}

const attachmentsShape = list(struct({ containerID: text, ifname: text }));

/** Undefined when the runtime did not say: that no attachment is alive is another thing. Throws code 7. */
export function validAttachmentsOf(conf: Conf): readonly AttachmentId[] | undefined {
  const key = "cni.dev/valid-attachments";
  const value = keyed(conf, key);
  if (value === undefined) return undefined;
  const problems: Problem[] = [];
  const attachments = attachmentsShape(value, key, problems);
  if (problems.length > 0) throw new CniError(CNI_CODE.config, messagesOf(problems));
  return attachments.map(({ containerID, ifname }) => ({ containerId: containerID, ifname }));
}
