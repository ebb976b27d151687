import type { Problem } from "../lib/errors.ts";
import { list, optional, type Shape, struct, text } from "../lib/shape.ts";
import { loadConf, readConfDocument } from "./conf.ts";
import { CNI_CODE, CniError } from "./errors.ts";
import type { Conf } from "./plugin.ts";
import { LATEST } from "./versions.ts";

/**
 * What a runtime reads: a file with the plugins of a network, as libcni 1.3 (containernetworking/cni, libcni/conf.go) takes it.
 * Plugins themselves never see it.
 */
export interface NetworkList {
  readonly name: string;
  /** As it was written; absent and empty mean 0.1.0. */
  readonly cniVersion: string;
  readonly cniVersions: readonly string[];
  readonly disableCheck: boolean;
  readonly disableGC: boolean;
  readonly loadOnlyInlinedPlugins: boolean;
  readonly plugins: readonly Conf[];
}

/** A boolean of libcni may be its text, too. */
const switched: Shape<boolean> = (value, path, problems) => {
  if (value === undefined || value === null || value === "") return false;
  const known = new Map([
    ["true", true],
    ["false", false],
  ]).get(String(value).toLowerCase());
  if (known === undefined) problems.push({ subject: path, message: `${path} must be true or false` });
  return known ?? false;
};

const isObject = (value: unknown): value is Conf =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const plugin: Shape<Conf> = (value, path, problems: Problem[]) => {
  if (isObject(value)) return value;
  problems.push({ subject: path, message: `${path} must be an object` });
  return {};
};

const shape = struct({
  cniVersions: list(text),
  disableCheck: switched,
  disableGC: switched,
  loadOnlyInlinedPlugins: switched,
  plugins: optional(list(plugin)),
});

/**
 * A `.conflist`; with `isSingle` a `.conf` or `.json`, which is a list of one. Throws code 6 for what is no JSON object, 7 for a
 * list that no runtime would take.
 */
export function readNetworkList(bytes: Uint8Array, isSingle: boolean): NetworkList {
  const { conf, name, cniVersion } = readConfDocument(bytes);
  const keys = loadConf(isSingle ? { plugins: [conf] } : conf, shape);
  const { plugins = [], ...rest } = keys;
  if (plugins.length === 0 && (keys.plugins !== undefined || keys.loadOnlyInlinedPlugins))
    throw wrong("error parsing configuration list: no plugins in list");
  const nameless = plugins.findIndex((one) => typeOf(one) === "");
  if (nameless >= 0) throw wrong(`error parsing configuration: missing 'type' in plugins[${nameless}]`);
  return { ...rest, name, cniVersion, plugins };
}

/** `type` of a plugin's configuration; Go's libraries read it whatever its case. */
export function typeOf(conf: Conf): string {
  return loadConf(conf, struct({ type: text })).type;
}

/** What a runtime hands to a plugin of the list, when nothing came before it. */
export function requestOf({ name }: NetworkList, conf: Conf, version: string): Conf {
  return { ...conf, name, cniVersion: version };
}

/**
 * The version that a runtime takes: from libcni 1.2 on the newest of all that it knows, before that `cniVersion`, and none but
 * that was read.
 */
export function versionsTaken({ cniVersion, cniVersions }: NetworkList): {
  readonly older: string;
  readonly newest: string;
} {
  const known = [...cniVersions, cniVersion].filter((version) => version <= LATEST);
  const newest = cniVersions.length === 0 ? cniVersion : (known.sort().at(-1) ?? cniVersion);
  return { older: cniVersion, newest };
}

function wrong(message: string): CniError {
  return new CniError(CNI_CODE.config, message);
}
