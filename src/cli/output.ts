import type { UnderlayError } from "../lib/errors.ts";
import { didYouMean } from "../lib/nearest.ts";
import { quote, word } from "../lib/quote.ts";
import { type Given, usageError } from "./args.ts";
import { LIST_FORMATS } from "./flags.ts";
import type { Env, Io } from "./io.ts";
import { type Column, coloured, type Paint, plain, tableOf } from "./table.ts";
import { yamlOf } from "./yaml.ts";

export const ONE_FORMATS = ["table", "json", "jsonl", "yaml"] as const;
export type Format = (typeof LIST_FORMATS)[number];

/** The `-o` that was given, else table. Throws `invalid_option` for one that the verb does not have. */
export function formatOf(given: Given, formats: readonly Format[]): Format {
  const text = given.flags.get("output")?.at(-1);
  if (text === undefined) return "table";
  const format = formats.find((known) => known === text);
  if (format === undefined)
    throw usageError(
      `--output: ${quote(text)} is none of ${formats.join(", ")}${didYouMean(text.slice(0, 64), formats)}`,
    );
  return format;
}

/** https://no-color.org, FORCE_COLOR, TERM=dumb, and `--color`, which wins. */
export function paintOf(given: Given, env: Env, isTty: boolean): Paint {
  const when = given.flags.get("color")?.at(-1) ?? "auto";
  if (when === "always") return coloured;
  if (when === "never") return plain;
  if (when !== "auto") throw usageError(`--color: ${quote(when)} is none of auto, always, never`);
  if (env["NO_COLOR"]) return plain;
  if (env["FORCE_COLOR"] && env["FORCE_COLOR"] !== "0") return coloured;
  return isTty && env["TERM"] !== "dumb" ? coloured : plain;
}

/** How a list of things is shown. */
export interface Listing<Item, Context> {
  /** `underlay.networks/v1`, under which `-o json` has the items at `key`. */
  readonly schema: string;
  readonly key: string;
  /** What `-o name` and `--quiet` print of it; the latter with ids cut short. */
  readonly name: (item: Item, short: (id: string) => string) => string;
  readonly columns: (context: Context) => readonly Column<Item>[];
  readonly filters: Readonly<Record<string, (item: Item, value: string) => boolean>>;
  /** What can be ordered by, besides `created`. Numbers within a text count as numbers. */
  readonly sorts: Readonly<Record<string, (item: Item) => string>>;
}

const SHORT_ID = 12;

/** As Docker cuts them, unless `--no-trunc` is given. */
export function shortId(given: Given): (id: string) => string {
  return given.flags.has("no-trunc") ? (id) => id : (id) => id.slice(0, SHORT_ID);
}

/** Oldest first unless told, whoever was asked. */
export function listText<Item extends { readonly created_at: string }, Context>(
  listing: Listing<Item, Context>,
  all: readonly Item[],
  context: Context,
  { given, env, io }: { readonly given: Given; readonly env: Env; readonly io: Io },
): string {
  const format = formatOf(given, LIST_FORMATS);
  const paint = paintOf(given, env, io.stdoutIsTty);
  const wanted = filtered(all, listing.filters, given.flags.get("filter") ?? []);
  const items = sorted(wanted, listing.sorts, given.flags.get("sort")?.at(-1));
  const lines = (texts: readonly string[]) => texts.map((text) => `${text}\n`).join("");

  const body = { schema: listing.schema, [listing.key]: items };
  if (format === "json") return json(body);
  if (format === "yaml") return yamlOf(body);
  if (format === "jsonl") return lines(items.map((item) => JSON.stringify(item)));
  const names = (short: (id: string) => string) => lines(items.map((item) => listing.name(item, short)));
  if (format === "name") return names((id) => id);
  if (given.flags.has("quiet")) return names(shortId(given));
  const columns = listing.columns(context).filter((column) => !column.wide || format === "wide");
  return tableOf(columns, items, { paint, heading: !given.flags.has("noheading") });
}

export function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** One body, as JSON in lines or in one line, or as YAML; undefined when a table is wanted. */
export function jsonOf(format: Format, body: unknown): string | undefined {
  if (format === "json") return json(body);
  if (format === "yaml") return yamlOf(body);
  return format === "jsonl" ? `${JSON.stringify(body)}\n` : undefined;
}

/** Of what is alike the oldest comes first. Throws `invalid_option` for an unknown key. */
function sorted<Item extends { readonly created_at: string }>(
  items: readonly Item[],
  sorts: Listing<Item, never>["sorts"],
  given = CREATED,
): readonly Item[] {
  const known = [CREATED, ...Object.keys(sorts)];
  const [, minus = "", key = ""] = /^(-?)(.*)$/s.exec(given) ?? [];
  const created = (item: Item) => item.created_at;
  const of = key === CREATED ? created : Object.hasOwn(sorts, key) ? sorts[key] : undefined;
  if (of === undefined)
    throw usageError(
      `--sort: unknown key ${word(key)}${didYouMean(key.slice(0, 64), known)}; keys are ${known.join(", ")}`,
    );
  const oldestFirst = items.toSorted((a, b) => byText(a.created_at, b.created_at));
  if (given === CREATED) return oldestFirst;
  const { compare } = new Intl.Collator("en", { numeric: true });
  const sign = minus === "" ? 1 : -1;
  return oldestFirst.toSorted((a, b) => sign * compare(of(a), of(b)));
}

const CREATED = "created";

/** Times of one format and zone are in the order of their texts. */
function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Keys must all fit, of one key's values any. Throws `invalid_option` for an unknown key. */
function filtered<Item>(
  items: readonly Item[],
  filters: Listing<Item, never>["filters"],
  given: readonly string[],
): readonly Item[] {
  const wanted = given.map((text) => {
    const [, key = text, value] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
    const fits = Object.hasOwn(filters, key) ? filters[key] : undefined;
    const known = Object.keys(filters);
    if (value === undefined) throw usageError(`--filter ${word(text)}: write it like ${known[0]}=…`);
    if (fits === undefined)
      throw usageError(
        `--filter: unknown key ${word(key)}${didYouMean(key.slice(0, 64), known)}; keys are ${known.join(", ")}`,
      );
    return { key, fits: (item: Item) => fits(item, value) };
  });
  const groups = [...Map.groupBy(wanted, ({ key }) => key).values()];
  return items.filter((item) => groups.every((group) => group.some(({ fits }) => fits(item))));
}

/**
 * Whether `-o json`, `jsonl` or `yaml` stands anywhere: errors about the command line itself are told as JSON then, too,
 * which is YAML as well.
 */
export function wantsJson(argv: readonly string[]): boolean {
  return / (-\w*o|--output)[ =]?(jsonl?|yaml) /.test(` ${argv.join(" ")} `);
}

/** What to type next, where that is always the same. Of what the daemon itself could not reach it is not. */
export function fixOf({ code, inputs }: UnderlayError): string | undefined {
  return code === "unreachable" && inputs["daemon"] !== undefined ? "underlay daemon" : undefined;
}
