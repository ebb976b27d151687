import { parseDuration } from "../lib/duration.ts";
import type { Problem } from "../lib/errors.ts";
import { LOG_LEVELS } from "../lib/log.ts";
import { oneOf, type Reading, wholeNumber } from "../lib/options.ts";
import { quote } from "../lib/quote.ts";
import { IPVLAN_MODES } from "../links/ipvlan/spec.ts";
import { MACVLAN_MODES } from "../links/macvlan/spec.ts";
import { OWN_SUBNET, readGateway, readSubnet } from "../links/ovs/own-subnet.ts";
import { DATAPATHS, OVS_MODES } from "../links/ovs/spec.ts";
import { linkName } from "../links/ovs/values.ts";
import { parseParent } from "../links/parent/ref.ts";
import { DEFAULT_TARGET, parseTarget, type Target } from "../ovsdb/target.ts";

/**
 * Every setting of the daemon, once. A row makes a key of the TOML files, an environment variable, a flag, a line
 * of help and of `config show`.
 */

export interface Setting<Value> {
  readonly read: (text: string) => Reading<Value>;
  /** As one would write it in a file; undefined = unset. */
  readonly fallback: string | undefined;
  /** The word for its value in help: DIR. */
  readonly takes: string;
  /** All values that it can have, when they are few; shells complete them. */
  readonly values?: readonly string[];
  readonly help: string;
}

function needed<Value>(
  fallback: string,
  read: (text: string) => Reading<Value>,
  takes: string,
  help: string,
  values: readonly string[] = [],
): Setting<Value> {
  return { read, fallback, takes, help, values };
}

function optional<Value>(
  read: (text: string) => Reading<Value>,
  takes: string,
  help: string,
  values: readonly string[] = [],
): Setting<Value | undefined> {
  return { read, fallback: undefined, takes, help, values };
}

export const LOG_FORMATS = ["auto", "json", "text"] as const;

export const SETTINGS = {
  state_dir: needed("/var/lib/underlay", absolutePath, "DIR", "where the state database is kept"),
  run_dir: needed("/run/underlay", socketDirectory, "DIR", "where the admin socket and the locks are"),
  plugin_dir: needed("/run/docker/plugins", socketDirectory, "DIR", "where Docker looks for plugin sockets"),
  docker_socket: needed(
    "/run/docker.sock",
    absolutePath,
    "PATH",
    "where dockerd is asked, by `gc --docker` and `migrate docker`",
  ),
  log_level: needed(
    "info",
    oneOf(LOG_LEVELS),
    "LEVEL",
    `least important messages: ${LOG_LEVELS.join(", ")}`,
    LOG_LEVELS,
  ),
  log_format: needed(
    "auto",
    oneOf(LOG_FORMATS),
    "FORMAT",
    "json, text, or auto: text when stderr is a terminal",
    LOG_FORMATS,
  ),
  reconcile_interval: needed("60s", duration, "DURATION", "how often records are compared with the kernel"),
  stale_after: needed(
    "60s",
    duration,
    "DURATION",
    "how long an endpoint's link is missed before it is dropped",
  ),
  "macvlan.parent": optional(parent, "LINK", "parent of macvlan networks that name none"),
  "macvlan.mode": optional(
    oneOf(MACVLAN_MODES),
    "MODE",
    `their mode: ${MACVLAN_MODES.join(", ")}`,
    MACVLAN_MODES,
  ),
  "ipvlan.parent": optional(parent, "LINK", "parent of ipvlan networks that name none"),
  "ipvlan.mode": optional(
    oneOf(IPVLAN_MODES),
    "MODE",
    `their mode: ${IPVLAN_MODES.join(", ")}`,
    IPVLAN_MODES,
  ),
  ovsdb: needed(DEFAULT_TARGET, ovsdb, "TARGET", "where ovsdb-server is: unix:PATH or tcp:HOST:PORT"),
  "ovs.bridge": optional(
    linkName,
    "BRIDGE",
    "bridge of the first ovs network that names none; ovsbr-docker0",
  ),
  "ovs.mode": optional(oneOf(OVS_MODES), "MODE", `mode of ovs networks: ${OVS_MODES.join(", ")}`, OVS_MODES),
  "ovs.mtu": optional(mtu, "BYTES", "their MTU, where the way out carries as much; 1450"),
  "ovs.datapath": optional(
    oneOf(DATAPATHS),
    "KIND",
    `who forwards on bridges that are made for them: ${DATAPATHS.join(" (the kernel), ")} (ovs-vswitchd)`,
    DATAPATHS,
  ),
  "ovs.subnet": needed(OWN_SUBNET, readSubnet, "CIDR", "subnet of ovs networks without an IPAM driver"),
  "ovs.gateway": optional(readGateway, "IP", "their gateway, on the bridge; the subnet's first address"),
} as const;

export type SettingKey = keyof typeof SETTINGS;

/** All settings by key, read and checked: durations in milliseconds, unset ones undefined. */
export type Values = {
  readonly [Key in SettingKey]: (typeof SETTINGS)[Key] extends Setting<infer Value> ? Value : never;
};

export const SETTING_KEYS = Object.keys(SETTINGS).filter(isSettingKey);

export function isSettingKey(key: string): key is SettingKey {
  return Object.hasOwn(SETTINGS, key);
}

/** `macvlan.parent` is `--macvlan-parent` … */
export function flagOf(key: SettingKey): string {
  return `--${key.replace(/[._]/g, "-")}`;
}

/** … and `UNDERLAY_MACVLAN_PARENT`. */
export function envOf(key: SettingKey): string {
  return `UNDERLAY_${key.replaceAll(".", "_").toUpperCase()}`;
}

function absolutePath(text: string): Reading<string> {
  return text.startsWith("/") && !text.includes("\0")
    ? { value: text }
    : { problem: `${quote(text)} is no absolute path` };
}

/** `sun_path` of unix(7) has 108 bytes with its NUL; our longest socket name is `/underlay-macvlan.sock`. */
const MOST_SOCKET_DIRECTORY = 80;

function socketDirectory(text: string): Reading<string> {
  if (Buffer.byteLength(text) <= MOST_SOCKET_DIRECTORY) return absolutePath(text);
  return {
    problem: `${quote(text)} is longer than ${MOST_SOCKET_DIRECTORY} bytes, too long for a socket's path`,
  };
}

/** Milliseconds. More than 31 bits make a timer run at once, and again and again. */
const [SHORTEST, LONGEST] = [100, 576 * 3_600_000] as const;

function duration(text: string): Reading<number> {
  const value = parseDuration(text);
  if (value === undefined)
    return { problem: `${quote(text)} is no duration; write it like 60s, 2m or 500ms` };
  if (value >= SHORTEST && value <= LONGEST) return { value };
  return { problem: `${quote(text)} is no duration from 100ms to 576h` };
}

function ovsdb(text: string): Reading<Target> {
  const problems: Problem[] = [];
  const value = parseTarget(text, "", problems);
  return value ? { value } : { problem: problems.map(({ message }) => message.trim()).join("; ") };
}

/** As text: whether IPv6 is to pass, which needs 1280, is each network's to know. */
function mtu(text: string): Reading<string> {
  const reading = wholeNumber(68, 65535, "MTU")(text);
  return "problem" in reading ? reading : { value: text };
}

function parent(text: string): Reading<string> {
  const reading = parseParent(text);
  return "problem" in reading ? reading : { value: text };
}
