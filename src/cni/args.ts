import { CNI_CODE, CniError } from "./errors.ts";

/** What the value of each key must be; undefined = it is none. Keys are told apart by case. */
export type ArgKeys = Readonly<Record<string, (text: string) => unknown>>;

export type Args<K extends ArgKeys> = {
  readonly [Key in keyof K]?: Exclude<ReturnType<K[Key]>, undefined>;
};

/** Every plugin knows this one. */
const IGNORE_UNKNOWN = "IgnoreUnknown";
const SWITCH = new Map([
  ["1", true],
  ["true", true],
  ["0", false],
  ["false", false],
]);

/**
 * CNI_ARGS, `KEY=VALUE;…`, by the rules of `types.LoadArgs` of the reference's library: no `=` in a value, no `;` at
 * the end, and keys that the plugin does not know are refused unless IgnoreUnknown says otherwise. A key without a value
 * is as good as absent. Throws code 4.
 */
export function loadArgs<K extends ArgKeys>(args: string, keys: K): Args<K> {
  const pairs = args === "" ? [] : args.split(";").map(splitPair);
  const known = pairs.filter(({ key }) => Object.hasOwn(keys, key));
  const values = known.filter(({ value }) => value !== "").map((pair) => [pair.key, parsed(pair, keys)]);
  const switches = pairs.filter(({ key }) => key === IGNORE_UNKNOWN);
  const ignoreUnknown = switches.map((pair) => parsed(pair, { [IGNORE_UNKNOWN]: parseSwitch })).at(-1);
  const unknown = pairs.filter((pair) => !known.includes(pair) && !switches.includes(pair));
  if (unknown.length > 0 && ignoreUnknown !== true) {
    throw wrong(`unknown args [${unknown.map(({ text }) => JSON.stringify(text)).join(" ")}]`);
  }
  return Object.fromEntries(values);
}

interface Pair {
  readonly text: string;
  readonly key: string;
  readonly value: string;
}

function splitPair(text: string): Pair {
  const [key = "", value, ...more] = text.split("=");
  if (value === undefined || more.length > 0) throw wrong(`invalid pair ${JSON.stringify(text)}`);
  return { text, key, value };
}

function parsed({ text, key, value }: Pair, keys: ArgKeys): unknown {
  const result = keys[key]?.(value);
  if (result === undefined) throw wrong(`error parsing value of pair ${JSON.stringify(text)}`);
  return result;
}

function parseSwitch(text: string): boolean | undefined {
  return SWITCH.get(text.toLowerCase());
}

function wrong(problem: string): CniError {
  return new CniError(CNI_CODE.environment, `ARGS: ${problem}`);
}
