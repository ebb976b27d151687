import { basename } from "node:path";
import { UnderlayError } from "../lib/errors.ts";
import { quote, word } from "../lib/quote.ts";
import type { LinkKind } from "../lib/request.ts";

/**
 * The plugins that came before Docker had these drivers, gopher-net/macvlan-docker-plugin, -ipvlan- and -ovs-: whoever
 * starts us by their names, with their flags, gets a daemon with the same defaults. Flags took one dash or two.
 */

export type OldKind = LinkKind;

const OLD_PLUGINS = new Map<string, OldKind>([
  ["macvlan-docker-plugin", "macvlan"],
  ["ipvlan-docker-plugin", "ipvlan"],
  ["docker-ovs-plugin", "ovs"],
]);

interface OldFlag {
  readonly takesValue: boolean;
  /** Flags of ours; undefined for what belongs to each network now. */
  readonly ours: ((kind: string, value: string) => string[]) | undefined;
  readonly instead?: string;
}

const debug: OldFlag = { takesValue: false, ours: () => ["--log-level=debug"] };
const perNetwork = (instead: string): OldFlag => ({ takesValue: true, ours: undefined, instead });

const setting = (key: string): OldFlag => ({
  takesValue: true,
  ours: (kind, value) => [`--${kind}-${key}=${value}`],
});

type OldFlags = Readonly<Record<string, OldFlag>>;

const OF_ALL: OldFlags = { d: debug, debug, mode: setting("mode") };

const ON_A_NIC: OldFlags = {
  ...OF_ALL,
  "host-interface": setting("parent"),
  gateway: perNetwork("docker network create --gateway"),
  "macvlan-subnet": perNetwork("docker network create --subnet"),
  "ipvlan-subnet": perNetwork("docker network create --subnet"),
};

const FLAGS: Readonly<Record<OldKind, OldFlags>> = {
  macvlan: ON_A_NIC,
  ipvlan: ON_A_NIC,
  ovs: {
    ...OF_ALL,
    gateway: setting("gateway"),
    "bridge-subnet": setting("subnet"),
    "bridge-name": setting("bridge"),
    mtu: setting("mtu"),
  },
};

/** The kind of links that the old plugin of this name made; undefined when argv0 is no such name. */
export function oldPluginKind(argv0: string): OldKind | undefined {
  return OLD_PLUGINS.get(basename(argv0));
}

/**
 * The old plugin's arguments (without argv0) as those of `underlay daemon`. Arguments of our own, with two dashes,
 * pass through. Throws `invalid_option` for a flag without its value and for one that belongs to a network now.
 */
export function oldPluginArgs(kind: OldKind, args: readonly string[]): string[] {
  const result = ["daemon"];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    const [, name = "", , given] = /^--?([^=]+)(=(.*))?$/s.exec(arg) ?? [];
    const flag = Object.hasOwn(FLAGS[kind], name) ? FLAGS[kind][name] : undefined;
    if (flag === undefined) {
      result.push(arg);
      continue;
    }
    const value = given ?? (flag.takesValue ? args[++i] : "");
    if (flag.ours === undefined) throw movedFlag(kind, name, flag.instead ?? "", value);
    if (value === undefined || (flag.takesValue && value === ""))
      throw new UnderlayError("invalid_option", `${arg} needs a value: ${arg.replace(/=$/, "")}=…`);
    if (!flag.takesValue && value === "false") continue;
    if (!flag.takesValue && value !== "" && value !== "true")
      throw new UnderlayError("invalid_option", `-${name} is on or off, not ${quote(value)}`);
    result.push(...flag.ours(kind, value));
  }
  return result;
}

function movedFlag(kind: string, name: string, instead: string, value = "…"): UnderlayError {
  return new UnderlayError(
    "invalid_option",
    `--${name} is a matter of each network now: ${instead} ${word(value)} -d underlay-${kind} NAME`,
  );
}
