import type { ChildFacts, LinkFacts, NetnsFacts, ParentFacts } from "../lib/facts.ts";
import { formatCidr, formatIp } from "../lib/ip.ts";
import type { Evidence, Judged, Subject } from "./condition.ts";

/** Parts that the texts of several conditions share. */

export function parentOf(judged: Judged): Subject {
  return { kind: "parent", name: judged.parent.link?.name ?? judged.parent.asked };
}

export function networkOf(judged: Judged): Subject {
  return { kind: "network", name: judged.network };
}

/** Evidence read from a link by RTM_GETLINK. */
export function linkAttribute(link: LinkFacts, attribute: string, value: string): Evidence {
  return { source: `RTM_GETLINK ${attribute} of ${link.name}`, value };
}

/** What the kernel answered to the trial link, when one was tried and failed. */
export function trialEvidence(parent: ParentFacts): readonly Evidence[] {
  if (parent.trial?.outcome !== "failed") return [];
  const { errno, text } = parent.trial;
  return [{ source: "trial link in a scratch netns", value: text === "" ? errno : `${errno}: ${text}` }];
}

export function childEvidence(child: ChildFacts): Evidence {
  return {
    source: `RTM_GETLINK dump of ${netnsWords(child.netns)}`,
    value: `${child.name}, ${child.kind} mode ${child.mode}`,
  };
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
  const asked = { parent: judged.parent.asked, ...modeOption(judged), ...mtuOption(judged), ...options };
  const given = Object.entries(asked).filter(([, value]) => value !== "");
  return [
    `docker network create -d underlay-${judged.kind}`,
    ...(judged.ipv6 ? ["--ipv6"] : []),
    ...(judged.internal ? ["--internal"] : []),
    ...judged.subnets.flatMap((subnet) => [
      `--subnet ${formatCidr(subnet.pool)}`,
      ...(subnet.gateway === undefined ? [] : [`--gateway ${formatIp(subnet.gateway)}`]),
    ]),
    ...given.map(([name, value]) => `-o ${name}=${shellWord(value)}`),
    "NAME",
  ].join(" ");
}

function modeOption(judged: Judged): Record<string, string> {
  const isDefault = judged.mode === "bridge" || judged.mode === "l2";
  return isDefault ? {} : { [`${judged.kind}_mode`]: judged.mode };
}

function mtuOption(judged: Judged): Record<string, string> {
  return judged.mtu === undefined ? {} : { mtu: String(judged.mtu) };
}

/** A link name may hold anything but a slash, a colon and white space; a shell must not read more into it. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
