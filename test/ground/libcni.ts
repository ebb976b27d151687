import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { type Attachment, type CniConf, type CniHost, type CniResult, isObject } from "./cni.ts";

/**
 * What a runtime does with a list of plugins, as libcni 1.3 (containernetworking/cni, libcni/api.go and conf.go) does
 * it: versions negotiated, results chained and cached, DEL backwards with the final result, GC over the cache.
 */

const LIBRARY_VERSION = "1.1.0";

export interface NetworkList {
  readonly name: string;
  readonly cniVersion: string;
  readonly disableCheck: boolean;
  readonly disableGC: boolean;
  readonly plugins: readonly CniConf[];
  /** The list as it was read, which is cached. */
  readonly bytes: string;
}

/** A `.conflist`, with the plugins of `FOLDER/NAME/*.conf` beside it; a `.conf` or `.json` is a list of one. */
export function loadNetwork(path: string): NetworkList {
  const bytes = readFileSync(path, "utf8");
  const list = extname(path) === ".conflist" ? networkOf(bytes) : networkOf(listOfOne(bytes));
  const inlined = readBool(object(bytes), "loadOnlyInlinedPlugins");
  const extra = inlined || extname(path) !== ".conflist" ? [] : confFiles(join(dirname(path), list.name));
  const plugins = [...list.plugins, ...extra.map((file) => plugin(object(readFileSync(file, "utf8"))))];
  if (plugins.length === 0) throw new Error("no plugin configs found");
  return { ...list, plugins };
}

/** Of the files in a folder, the network of that name: lists before single plugins, each sorted. */
export function findNetwork(folder: string, name: string): NetworkList {
  const names = readdirSync(folder).sort();
  const ordered = [[".conflist"], [".conf", ".json"]].flatMap((endings) =>
    names.filter((file) => endings.includes(extname(file))),
  );
  // One file that does not parse fails them all.
  const networks = ordered.map((file) => loadNetwork(join(folder, file)));
  const found = networks.find((network) => network.name === name);
  if (!found) throw new Error(`no net configuration with name "${name}" in ${folder}`);
  return found;
}

export function networkOf(bytes: string): NetworkList {
  const raw = object(bytes);
  const { name, plugins } = raw;
  if (typeof name !== "string") throw new Error("error parsing configuration list: no name");
  if (plugins === undefined && readBool(raw, "loadOnlyInlinedPlugins")) {
    throw new Error("`loadOnlyInlinedPlugins` is true, and no 'plugins' key");
  }
  if (plugins !== undefined && (!Array.isArray(plugins) || plugins.length === 0)) {
    throw new Error("error parsing configuration list: no plugins in list");
  }
  return {
    name,
    cniVersion: negotiated(raw),
    disableCheck: readBool(raw, "disableCheck"),
    disableGC: readBool(raw, "disableGC"),
    plugins: (plugins ?? []).map((one: unknown) => plugin(one)),
    bytes,
  };
}

function listOfOne(bytes: string): string {
  const conf = plugin(object(bytes));
  return JSON.stringify({ name: conf["name"], cniVersion: conf["cniVersion"], plugins: [conf] });
}

/** The highest that the library knows, of `cniVersions` and `cniVersion`; without the former the latter, known or not. */
function negotiated({ cniVersion = "", cniVersions }: CniConf): string {
  if (typeof cniVersion !== "string") throw new Error("invalid cniVersion type");
  if (!Array.isArray(cniVersions)) return cniVersion;
  const candidates = [...cniVersions.map(String), ...(cniVersion === "" ? [] : [cniVersion])];
  const known = candidates.filter((version) => compare(version, LIBRARY_VERSION) <= 0);
  return known.sort(compare).at(-1) ?? cniVersion;
}

/** Versions of the protocol have no part above 9. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const atLeast = (version: string, least: string) => compare(version || "0.1.0", least) >= 0;

function readBool(raw: CniConf, key: string): boolean {
  const value = raw[key] ?? false;
  if (typeof value === "boolean") return value;
  if (/^(true|false)$/i.test(String(value))) return /^true$/i.test(String(value));
  throw new Error(`error parsing configuration list: invalid value ${JSON.stringify(value)} for ${key}`);
}

function plugin(value: unknown): CniConf {
  if (isObject(value) && typeof value["type"] === "string" && value["type"] !== "") return value;
  throw new Error("error parsing configuration: missing 'type'");
}

function object(text: string): CniConf {
  const value: unknown = JSON.parse(text);
  if (isObject(value)) return value;
  throw new Error("error parsing configuration: no object");
}

function confFiles(folder: string): string[] {
  try {
    const files = readdirSync(folder).sort();
    return files.filter((file) => extname(file) === ".conf").map((file) => join(folder, file));
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return [];
    throw thrown;
  }
}

/** An attachment, and what the runtime offers to plugins that declare the capability. */
export interface RuntimeConf extends Attachment {
  readonly capabilityArgs?: CniConf;
}

export interface Libcni {
  add(list: NetworkList, rt: RuntimeConf): Promise<CniResult>;
  del(list: NetworkList, rt: RuntimeConf): Promise<void>;
  check(list: NetworkList, rt: RuntimeConf): Promise<void>;
  /** Without `valid` all cached attachments of the network go, and plugins are not told what lives: as cnitool does. */
  gc(list: NetworkList, valid?: readonly Pick<Attachment, "containerId" | "ifname">[]): Promise<void>;
  status(list: NetworkList): Promise<void>;
  /** ValidateNetworkList: each plugin is there and speaks the version. */
  validate(list: NetworkList): Promise<void>;
  cacheFile(list: NetworkList, rt: Pick<Attachment, "containerId" | "ifname">): string;
}

interface Cached {
  readonly containerId: string;
  readonly ifName: string;
  readonly networkName: string;
  readonly netns?: string;
  readonly cniArgs?: readonly (readonly [string, string])[];
  readonly capabilityArgs?: CniConf;
  readonly result?: CniConf;
}

const CACHE_KIND = "cniCacheV1";

/** `cache`: a folder, which has `results` in it. */
export function libcni(host: CniHost, cache: string): Libcni {
  const results = join(cache, "results");
  const cacheFile: Libcni["cacheFile"] = ({ name }, { containerId, ifname }) =>
    join(results, `${name}-${containerId}-${ifname}`);

  function remember(list: NetworkList, rt: RuntimeConf, result: CniResult): void {
    const cached = {
      kind: CACHE_KIND,
      containerId: rt.containerId,
      config: Buffer.from(list.bytes).toString("base64"),
      ifName: rt.ifname,
      networkName: list.name,
      netns: rt.netns || undefined,
      cniArgs: rt.args ? rt.args.split(";").map((pair) => pair.split("=")) : undefined,
      capabilityArgs: rt.capabilityArgs,
      result,
    };
    mkdirSync(results, { recursive: true, mode: 0o700 });
    writeFileSync(cacheFile(list, rt), JSON.stringify(cached), { mode: 0o600 });
  }

  /** A file of another kind is a bare result; one that cannot be read is none. */
  function remembered(list: NetworkList, rt: RuntimeConf): CniConf | undefined {
    const document = readCache(cacheFile(list, rt));
    return document?.["kind"] === CACHE_KIND && isObject(document["result"]) ? document["result"] : document;
  }

  const libcni: Libcni = {
    cacheFile,
    async add(list, rt) {
      let result: CniResult | undefined;
      for (const conf of list.plugins) result = await host.add(confFor(list, conf, result, rt), rt);
      if (result === undefined) throw new Error("no plugins in list");
      remember(list, rt, result);
      return result;
    },
    async del(list, rt) {
      const prevResult = atLeast(list.cniVersion, "0.4.0") ? remembered(list, rt) : undefined;
      for (const conf of list.plugins.toReversed()) await host.del(confFor(list, conf, prevResult, rt), rt);
      rmSync(cacheFile(list, rt), { force: true });
    },
    async check(list, rt) {
      if (!atLeast(list.cniVersion, "0.4.0")) {
        throw new Error(`configuration version "${list.cniVersion}" does not support CHECK command`);
      }
      if (list.disableCheck) return;
      const prevResult = remembered(list, rt);
      for (const conf of list.plugins) await host.check(confFor(list, conf, prevResult, rt), rt);
    },
    async gc(list, valid) {
      if (list.disableGC) return;
      const alive = new Set((valid ?? []).map(({ containerId, ifname }) => `${containerId}/${ifname}`));
      const errors: unknown[] = [];
      const noting = (work: Promise<void>) => work.catch((thrown: unknown) => void errors.push(thrown));
      for (const one of attachmentsOf(results, list.name)) {
        if (!alive.has(`${one.containerId}/${one.ifname}`)) await noting(libcni.del(list, one));
      }
      if (atLeast(list.cniVersion, "1.1.0")) {
        for (const conf of list.plugins) await noting(host.gc(confFor(list, conf), valid));
      }
      if (errors.length > 0) throw new AggregateError(errors, errors.map(String).join("; "));
    },
    async status(list) {
      if (!atLeast(list.cniVersion, "1.1.0")) return;
      for (const conf of list.plugins) await host.status(confFor(list, conf));
    },
    async validate(list) {
      const wanted = list.cniVersion || "0.1.0";
      for (const { type } of list.plugins) {
        const versions = await host.version(String(type));
        if (!versions.includes(wanted)) {
          throw new Error(`plugin ${type} does not support config version "${wanted}"`);
        }
      }
    },
  };
  return libcni;
}

/** The plugin's own object with what a runtime puts into it; keys sorted, as Go prints maps. */
function confFor(list: NetworkList, conf: CniConf, prevResult?: object, rt?: RuntimeConf): CniConf {
  const declared = Object.entries(isObject(conf["capabilities"]) ? conf["capabilities"] : {})
    .filter(([, supported]) => supported === true)
    .map(([capability]) => capability);
  const offered = Object.entries(rt?.capabilityArgs ?? {}).filter(([key]) => declared.includes(key));
  const injected = {
    ...conf,
    name: list.name,
    cniVersion: list.cniVersion,
    ...(prevResult && { prevResult }),
    ...(offered.length > 0 && { runtimeConfig: Object.fromEntries(offered) }),
  };
  return Object.fromEntries(Object.entries(injected).sort(([a], [b]) => compare(a, b)));
}

function readCache(path: string): Record<string, unknown> | undefined {
  try {
    const document: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isObject(document) ? document : undefined;
  } catch (thrown) {
    const missing = thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
    if (missing || thrown instanceof SyntaxError) return undefined;
    throw thrown;
  }
}

function attachmentsOf(results: string, network: string): RuntimeConf[] {
  if (!existsSync(results)) return [];
  return readdirSync(results)
    .sort()
    .map((file) => readCache(join(results, file)))
    .filter((document) => document !== undefined)
    .filter((document): document is typeof document & Cached => document["kind"] === CACHE_KIND)
    .filter(({ networkName }) => networkName === network)
    .map(({ containerId, ifName, netns, cniArgs, capabilityArgs }) => ({
      containerId,
      ifname: ifName,
      netns: netns ?? "",
      args: (cniArgs ?? []).map((pair) => pair.join("=")).join(";"),
      ...(capabilityArgs && { capabilityArgs }),
    }));
}
