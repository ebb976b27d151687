import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { MAX_CONF_BYTES } from "../../cni/conf.ts";
import { asCniError } from "../../cni/errors.ts";
import { type NetworkList, readNetworkList } from "../../cni/list.ts";
import type { Conf } from "../../cni/plugin.ts";
import { UnderlayError } from "../../lib/errors.ts";

/** Configurations and plugins as they lie in folders. */

export const CONF_ENDINGS = [".conflist", ".conf", ".json"];

/** Undefined when there is none. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return undefined;
    throw unreadable(path, thrown);
  }
}

/** Names in a folder, sorted; none when there is no folder. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (thrown) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(thrown))) return [];
    throw unreadable(folder, thrown);
  }
}

export type ConfFile = { readonly list: NetworkList } | { readonly problem: string };

/**
 * A file as runtimes read it: a list, with the plugins of `NAME/*.conf` beside it, or one plugin alone. Throws `not_found` when
 * there is none.
 */
export function readConfFile(path: string): ConfFile {
  try {
    const isSingle = extname(path) !== ".conflist";
    const list = readNetworkList(bytesOf(path), isSingle);
    if (isSingle || list.loadOnlyInlinedPlugins) return { list };
    const folder = join(dirname(path), list.name);
    const beside = namesIn(folder).filter((name) => extname(name) === ".conf");
    const more = beside.flatMap((name): readonly Conf[] => {
      const conf: unknown = JSON.parse(readFileSync(join(folder, name), "utf8"));
      return typeof conf === "object" && conf !== null ? [Object.fromEntries(Object.entries(conf))] : [];
    });
    const plugins = [...list.plugins, ...more];
    return plugins.length === 0 ? { problem: "no plugin configs found" } : { list: { ...list, plugins } };
  } catch (thrown) {
    if (thrown instanceof UnderlayError) throw thrown;
    return { problem: asCniError(thrown).message };
  }
}

/** No more than any runtime's plugins would take. */
function bytesOf(path: string): Uint8Array {
  try {
    const { size } = statSync(path);
    return size > MAX_CONF_BYTES ? new Uint8Array(MAX_CONF_BYTES + 1) : readFileSync(path);
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
}

/** FindInPath of libcni: the first folder with a regular file of that name. */
export function findPlugin(type: string, folders: readonly string[]): string | undefined {
  if (type === "" || type.includes("/")) return undefined;
  return folders
    .map((folder) => join(folder, type))
    .find((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}

/** Whether a plugin that was found is this program, of whatever version. */
export function isUnderlay(path: string): boolean {
  return basename(realpathSync(path)) === "underlay";
}

function errnoOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
}

function unreadable(path: string, cause: unknown): UnderlayError {
  const errno = errnoOf(cause);
  const code = errno === "ENOENT" ? "not_found" : errno === "EACCES" ? "permission" : "state";
  const why = errno === "ENOENT" ? "there is no such file" : `it cannot be read: ${errno || String(cause)}`;
  return new UnderlayError(code, `${path}: ${why}`, { cause, inputs: { path } });
}
