import { SETTING_KEYS } from "../../daemon/settings.ts";
import { EXIT, EXIT_MEANINGS } from "../exit.ts";
import { flagsOf, type KnownFlag } from "../flags.ts";
import type { Verb } from "../verb.ts";
import { bold, italic, item, line, paragraph, subsection } from "./roff.ts";

/** What the tables of the command line say, set for a manual page. */

/** A verb with the flags that are its own. */
export function verbText(verb: Verb): string {
  const own = ownFlags(verb);
  const isDaemon = verb.settings !== undefined && verb.settings.length === SETTING_KEYS.length;
  const shown = isDaemon ? own.filter(({ target }) => target.kind === "flag") : own;
  return [
    subsection(`underlay ${verb.words}`, synopsis(verb)),
    paragraph(sentence(verb.help)),
    ...(verb.more === undefined ? [] : [paragraph(verb.more)]),
    ...shown.map(flagItem),
    ...(isDaemon ? [paragraph("Every setting of underlay.toml(5) is a flag of this verb too.")] : []),
    ...(verb.aliases
      ? [paragraph(`Also: ${verb.aliases.map((alias) => `underlay ${alias}`).join(", ")}.`)]
      : []),
  ].join("");
}

export function ownFlags(verb: Verb): KnownFlag[] {
  const common = flagsOf({}).map(({ long }) => long);
  return flagsOf(verb).filter(({ long }) => !common.includes(long));
}

export function synopsis({ words, args = [] }: Verb): string {
  const named = args.map((name) => ` ${italic(name)}`).join("");
  return line(`${bold(`underlay ${words}`)}${named} [${italic("FLAG")} ...]`);
}

export const sentence = (help: string) => `${help.charAt(0).toUpperCase()}${help.slice(1)}.`;

export function flagItem({ short, long, takes, help }: KnownFlag): string {
  const names = short === undefined ? bold(long) : `${bold(`-${short}`)}, ${bold(long)}`;
  return item(takes === undefined ? names : `${names} ${italic(takes)}`, help);
}

export function exitItems(): string[] {
  return Object.entries(EXIT).map(([name, code]) =>
    // Object.entries forgets that its keys are those of the table.
    item(bold(String(code)), EXIT_MEANINGS[name as keyof typeof EXIT]),
  );
}
