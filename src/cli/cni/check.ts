import { requestOf, typeOf, versionsTaken } from "../../cni/list.ts";
import type { Call, Conf } from "../../cni/plugin.ts";
import { isPluginName, SERVED_NAMES } from "../../cni/plugins.ts";
import { versionsOf } from "../../cni/speaks.ts";
import { isVersion, LATEST, VERSIONS } from "../../cni/versions.ts";
import { confFindings, weighed } from "../../conditions/judge.ts";
import { type Body, findingBody } from "../../daemon/api.ts";
import { formatRangeSet, type RangeSet, rangeFor } from "../../ipam/range.ts";
import type { ConfFacts, PluginFacts } from "../../lib/conf-facts.ts";
import { UnderlayError } from "../../lib/errors.ts";
import { type Ip, parseIp } from "../../lib/ip.ts";
import { type Dry, dryRun } from "./dry.ts";
import { findPlugin, isUnderlay, namesIn, readConfFile } from "./files.ts";
import { parentFindings } from "./parents.ts";
import { strangeIpamKeys, strangeKeys } from "./strange-keys.ts";

export type Checked = Body<"underlay.cni-check/v1">;
type PluginBody = Checked["plugins"][number];

/** Everything about a file that can be known without doing what it says. Throws `not_found`, `permission`. */
export async function checked(file: string, folders: readonly string[]): Promise<Checked> {
  const read = readConfFile(file);
  if ("problem" in read) {
    const none = { older: "", newest: "" };
    const findings = confFindings({ file, unreadable: read.problem, versions: none, folders, plugins: [] });
    return body(file, null, none, folders, [], findings.map(findingBody));
  }
  const { list } = read;
  const versions = versionsTaken(list);
  const found: Found[] = [];
  for (const [i, conf] of list.plugins.entries())
    found.push(
      ...(await pluginsOf(requestOf(list, conf, versions.newest), `plugins[${i}]`, list.name, folders)),
    );
  const facts: ConfFacts = { file, versions, folders, plugins: found.map((one) => one.facts) };
  const links = found.flatMap(({ dry }) => (dry?.wanted ? [dry.wanted] : []));
  const ofParents = await parentFindings(links, list.name, file);
  const findings = [...confFindings(facts), ...ofParents].map(findingBody);
  return body(file, list.name, versions, folders, found.map(pluginBody), weighed(findings));
}

function body(
  file: string,
  name: string | null,
  versions: ConfFacts["versions"],
  folders: readonly string[],
  plugins: Checked["plugins"],
  findings: Checked["findings"],
): Checked {
  return {
    schema: "underlay.cni-check/v1",
    ...{ file, name, versions },
    folders: [...folders],
    plugins,
    findings,
  };
}

interface Found {
  readonly facts: PluginFacts;
  readonly dry: Dry | undefined;
}

/** A plugin and those that it would ask. */
async function pluginsOf(conf: Conf, at: string, name: string, folders: readonly string[]): Promise<Found[]> {
  const type = typeOf(conf);
  const call = callOf(conf, name, folders);
  const dry = await dryRun(type, call);
  // Of one that refuses its configuration it is not known whom it would ask.
  const asked = dry && dry.asked.length > 0 ? dry.asked : ipamOf(conf, call);
  const facts = {
    ...factsOf(type, at, folders, dry),
    strangeKeys: strangeKeys(type, conf, asked[0]?.type),
  };
  const found: Found[] = [{ facts, dry }];
  for (const { type: other, call: handed } of asked) {
    // One that is handed a configuration of its own is a plugin like the first.
    if (handed.conf !== conf) {
      found.push(...(await pluginsOf(handed.conf, `${at}.delegate`, name, folders)));
      continue;
    }
    const inner = await dryRun(other, handed);
    const keys = strangeIpamKeys(other, conf["ipam"]);
    found.push({ facts: { ...factsOf(other, `${at}.ipam`, folders, inner), strangeKeys: keys }, dry: inner });
  }
  return found;
}

/** As a STATUS: no container is named, and no program gets the text. A version that nobody speaks is told of by itself. */
function callOf(conf: Conf, name: string, folders: readonly string[]): Call {
  const version = String(conf["cniVersion"] ?? "") || "0.1.0";
  const env = { verb: "STATUS", containerId: "", netns: "", ifname: "", path: folders, args: "" } as const;
  return { env, conf, raw: "", name, version: isVersion(version) ? version : LATEST };
}

/** Where most plugins have it, ours and others. */
function ipamOf(conf: Conf, call: Call): Dry["asked"] {
  const { ipam } = conf;
  const type = typeof ipam === "object" && ipam !== null && "type" in ipam ? ipam.type : "";
  return typeof type === "string" && type !== "" ? [{ type, call }] : [];
}

function factsOf(
  type: string,
  at: string,
  folders: readonly string[],
  dry: Dry | undefined,
): Omit<PluginFacts, "strangeKeys"> {
  const path = findPlugin(type, folders);
  const isOurs = path !== undefined && isUnderlay(path);
  const isServed = isPluginName(type) && SERVED_NAMES.includes(type);
  // Ours speaks all of them, whatever it says itself.
  const speaks = isOurs ? VERSIONS : path === undefined ? undefined : versionsOf(path);
  const unavailable = dry?.unavailable ?? (dry?.pool && usedUp(dry.pool));
  return {
    ...{ at, type, ours: isOurs ? "yes" : isServed ? "could be" : "no" },
    ...(path !== undefined && { path }),
    ...(speaks !== undefined && { speaks }),
    ...(dry?.refusal !== undefined && { refusal: dry.refusal }),
    ...(unavailable !== undefined && { unavailable }),
  };
}

type Pool = NonNullable<Dry["pool"]>;

/** Undefined when it cannot be told, as for a user who may not look. */
function reservedIn({ folder }: Pool): readonly Ip[] | undefined {
  try {
    return namesIn(folder).flatMap((name) => parseIp(name) ?? []);
  } catch (thrown) {
    if (thrown instanceof UnderlayError) return undefined;
    throw thrown;
  }
}

function takenOf(reserved: readonly Ip[], set: RangeSet): number {
  return reserved.filter((ip) => rangeFor(set, ip)).length;
}

/** Each range has its gateway, which nobody gets, or has it elsewhere. */
function sizeOf(set: RangeSet): bigint {
  return set.reduce((sum, range) => {
    const gateway = rangeFor([range], range.gateway) ? 1n : 0n;
    return sum + range.last - range.first + 1n - gateway;
  }, 0n);
}

function usedUp(pool: Pool): string | undefined {
  const reserved = reservedIn(pool) ?? [];
  const full = pool.sets.find((set) => BigInt(takenOf(reserved, set)) >= sizeOf(set));
  return full && `all ${sizeOf(full)} addresses of ${formatRangeSet(full)} are reserved in ${pool.folder}`;
}

function pluginBody({ facts, dry }: Found): PluginBody {
  const { at, type, path = null, ours } = facts;
  const pool = dry?.pool;
  const reserved = pool && reservedIn(pool);
  return {
    ...{ at, type, path, ours },
    link: dry ? linkBody(dry) : null,
    pool: pool
      ? {
          folder: pool.folder,
          ranges: pool.sets.map(formatRangeSet),
          taken: reserved ? pool.sets.reduce((sum, set) => sum + takenOf(reserved, set), 0) : null,
        }
      : null,
  };
}

function linkBody({ wanted, pair }: Dry): PluginBody["link"] {
  if (pair)
    return { kind: "veth", mode: pair.mode, parent: pair.bridge ?? null, in_container: false, mtu: null };
  const link = wanted?.link;
  if (!link) return null;
  return {
    kind: link.kind,
    mode: "mode" in link ? link.mode : null,
    parent: wanted.parent ? (wanted.parent.name ?? "auto") : null,
    in_container: wanted.parent?.inside ?? false,
    mtu: wanted.mtu ?? null,
  };
}
