import type { ChildFacts, LinkFacts, NeighbourNetwork, NetnsFacts, ParentFacts } from "../lib/facts.ts";
import { type Cidr, contains, type Family, formatCidr, formatIp, LINK_LOCAL } from "../lib/ip.ts";
import type { Evidence, Judged, Subject } from "./condition.ts";

/** Parts that the texts of several conditions share. */

export function parentOf(judged: Judged): Subject {
  return { kind: "parent", name: judged.parent.link?.name ?? judged.parent.asked };
}

export function networkOf(judged: Judged): Subject {
  return { kind: "network", name: judged.network };
}

/** Whether its containers hand all packets to the link, in subnets of their own behind this host, without a gateway. */
export function routesOnLink({ kind, mode }: Judged): boolean {
  return kind === "ipvlan" && mode !== "l2";
}

/** fe80::/10 says nothing about which subnets a LAN has. */
export function routable(addresses: readonly Cidr[]): readonly Cidr[] {
  return addresses.filter(({ ip }) => !contains(LINK_LOCAL, ip));
}

/** Evidence read from a link by RTM_GETLINK. */
export function linkAttribute(link: LinkFacts, attribute: string, value: string): Evidence {
  return { source: `RTM_GETLINK ${attribute} of ${link.name}`, value };
}

/** What the kernel answered to a link that was tried, for a moment or for a container, and failed. */
export function trialEvidence(parent: ParentFacts): readonly Evidence[] {
  if (parent.trial?.outcome !== "failed") return [];
  const { errno, text } = parent.trial;
  const words = text === "" ? errnoWords(errno) : text;
  return [
    {
      source: `RTM_NEWLINK on ${parent.link?.name ?? parent.asked}`,
      value: words === undefined ? errno : `${errno}: ${words}`,
    },
  ];
}

/** strerror(3), for when the kernel added no words of its own. */
const ERRNO_WORDS: Readonly<Record<string, string>> = {
  EBUSY: "Device or resource busy",
  EINVAL: "Invalid argument",
  EPERM: "Operation not permitted",
  EOPNOTSUPP: "Operation not supported",
  ENODEV: "No such device",
  ENETDOWN: "Network is down",
  ERFKILL: "Operation not possible due to RF-kill",
  EADDRINUSE: "Address already in use",
  EEXIST: "File exists",
  ENOMEM: "Cannot allocate memory",
  ENOBUFS: "No buffer space available",
};

export function errnoWords(errno: string): string | undefined {
  return ERRNO_WORDS[errno];
}

/** Evidence of many is of the first few: a parent may carry hundreds of links. */
export function evidenceOfMany<T>(things: readonly T[], tell: (thing: T) => Evidence): readonly Evidence[] {
  const shown = things.slice(0, MOST_SHOWN).map(tell);
  const more = things.length - shown.length;
  return more > 0 ? [...shown, { source: "likewise", value: `${more} more` }] : shown;
}

const MOST_SHOWN = 4;

export function childEvidence(child: ChildFacts): Evidence {
  return {
    source: `RTM_GETLINK dump of ${netnsWords(child.netns)}`,
    value: `${child.name}, ${modeWords(child)}`,
  };
}

export function modeWords({
  kind,
  mode,
  flag,
}: Pick<ChildFacts | NeighbourNetwork, "kind" | "mode" | "flag">) {
  return `${kind} mode ${mode}${flag === undefined ? "" : ` ${flag}`}`;
}

export function netnsWords(netns: NetnsFacts): string {
  return netns.path === HOST ? "this netns" : `netns ${netns.path}`;
}

const HOST = "host";

/** A command for the netns where a link lives. */
export function inNetns(netns: NetnsFacts, command: string): string {
  return netns.path === HOST ? command : `nsenter --net=${shellWord(netns.path)} ${command}`;
}

/** The `docker network create` that asks for the judged network, with other options. NAME is the reader's to fill in. */
export function createCommand(judged: Judged, options: Readonly<Record<string, string>>): string {
  const { parent, mode, usual } = OPTIONS[judged.kind] ?? ON_A_PARENT;
  const asked = {
    [parent]: judged.parent.asked,
    ...(usual.includes(judged.mode) ? {} : { [mode ?? `${judged.kind}_mode`]: judged.mode }),
    ...flagOption(judged),
    ...mtuOption(judged),
    ...options,
  };
  const given = Object.entries(asked).filter(([, value]) => value !== "");
  return [
    `docker network create -d underlay-${judged.kind}`,
    ...familyFlags(judged),
    ...(judged.internal ? ["--internal"] : []),
    ...judged.subnets.flatMap((subnet) => [
      `--subnet ${formatCidr(subnet.pool)}`,
      ...(subnet.gateway === undefined ? [] : [`--gateway ${formatIp(subnet.gateway)}`]),
      ...Object.entries(subnet.aux).map(
        ([name, ip]) => `--aux-address ${shellWord(`${name}=${formatIp(ip)}`)}`,
      ),
    ]),
    ...given.map(([name, value]) => `-o ${name}=${shellWord(value)}`),
    "NAME",
  ].join(" ");
}

/** Docker adds an IPv4 pool of its own unless told not to, and needs one for --ipv6. */
function familyFlags({ subnets }: Judged): string[] {
  const has = (family: Family) => subnets.some(({ pool }) => pool.ip.family === family);
  if (subnets.length === 0) return ["--ipam-driver null"];
  return [...(has(4) ? [] : ["--ipv4=false"]), ...(has(6) ? ["--ipv6"] : [])];
}

interface OptionNames {
  /** Of the option that names the parent. */
  readonly parent: string;
  /** Of the option for the mode; absent: KIND_mode. */
  readonly mode?: string;
  /** Modes that need no option. */
  readonly usual: readonly string[];
}

const ON_A_PARENT: OptionNames = { parent: "parent", usual: ["bridge", "l2"] };
const OPTIONS: Readonly<Record<string, OptionNames>> = {
  ovs: { parent: "bridge", mode: "mode", usual: ["nat"] },
};

function flagOption({ kind, flag }: Judged): Record<string, string> {
  return flag === undefined || flag === "bridge" ? {} : { [`${kind}_flag`]: flag };
}

function mtuOption(judged: Judged): Record<string, string> {
  return judged.mtu === undefined ? {} : { mtu: String(judged.mtu) };
}

/** A link name may hold anything but a slash, a colon and white space; a shell must not read more into it. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
