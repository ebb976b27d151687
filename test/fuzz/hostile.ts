import type { Random } from "./random.ts";

/**
 * Bodies that no dockerd sends: a good one, bent. Some bends keep it JSON of the wrong shape, others break the text;
 * now and then the good one itself comes through, so that what lies behind the parser is reached too.
 */

/** Values by which any part of a message is replaced; `raw` ones are no JSON.stringify's doing. */
const VALUES: readonly [unknown, ...unknown[]] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  65536,
  2 ** 53,
  1e308,
  "",
  " ",
  "\u0000",
  "0",
  "null",
  "<nil>",
  [],
  {},
  [[]],
  [null],
  [{}],
  { "": "" },
  { a: { b: {} } },
  "10.0.0.0/33",
  "10.0.0.0/0",
  "0.0.0.0/0",
  "::/0",
  "fe80::1%eth0/64",
  "::ffff:10.0.0.1/120",
  "10.0.0.0/-1",
  "010.0.0.1/8",
  "/",
  "255.255.255.255/32",
  "ff:ff:ff:ff:ff:ff",
  "00:00:00:00:00:00",
  "02:11:22:33:44:5g",
  "lo",
  ".",
  "..",
  "../../etc",
  "a/b",
  "eth0; rm -rf /",
  "$(id)",
  "%s%n",
  "eth0.4095",
  "eth0.1.2.3",
  "auto",
  "\ud800",
  "\u{1f4a5}".repeat(40),
  "é".repeat(8),
  "\u202e\u0000\r\nX: y",
  "x".repeat(5000),
  "__proto__",
  "constructor",
];
const RAW: readonly [string, ...string[]] = [
  "1e400",
  "-0",
  "1E-999",
  `${"9".repeat(400)}`,
  "00",
  "NaN",
  "undefined",
  "'a'",
  '"\\ud800"',
  '"\\x"',
  "{,}",
  "[1,]",
  "/**/1",
  '"\n"',
];
const KEYS: readonly [string, ...string[]] = [
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "",
  " ",
  "networkid",
  "OPTIONS",
  "com.docker.network.generic",
  "com.docker.network.internal",
  "com.docker.network.endpoint.ifname",
  "\u0000",
  "K",
];

type Bend = (random: Random, good: string) => string | Uint8Array<ArrayBuffer>;

const BENDS: readonly [Bend, ...Bend[]] = [
  (random, good) => withTree(random, good, (tree) => replaceOne(random, tree)),
  (random, good) => withTree(random, good, (tree) => replaceOne(random, replaceOne(random, tree))),
  (random, good) => withTree(random, good, (tree) => renameOne(random, tree)),
  // Marked first, then spliced, so that it may be what JSON.stringify cannot say.
  (random, good) =>
    withTree(random, good, (tree) => changeOne(random, tree, () => MARK)).replace(
      `"${MARK}"`,
      random.pick(RAW),
    ),
  (random, good) =>
    withTree(random, good, (tree) => changeOne(random, tree, () => MARK)).replace(
      `"${MARK}"`,
      nested(random),
    ),
  // Duplicated keys: the same object twice in one.
  (random, good) =>
    good.trimEnd().replace(/}$/, `,${withTree(random, good, (tree) => replaceOne(random, tree)).slice(1)}`),
  (random, good) => good.slice(0, random.below(good.length + 1)),
  (random, good) => splice(random, good, ""),
  (random, good) =>
    splice(
      random,
      good,
      random.pick(['"', "{", "}", "[", "]", ",", ":", "\\", "\u0000", "\n", "\ufeff", "e"]),
    ),
  (random, good) => good + random.pick(["}", good, "\u0000", " ".repeat(random.below(5000)), "\ufeff"]),
  (random, good) => randomBytes(random, Buffer.from(good)),
  (random) =>
    random.pick([
      "",
      "\n",
      "null",
      "[]",
      "{}",
      "0",
      '""',
      "true",
      "\ufeff{}",
      "{",
      nested(random),
      "\u0000".repeat(9),
    ]),
  (random, good) => withTree(random, good, (tree) => changeCase(random, tree)),
  (_, good) => good,
];

const MARK = "@@mark@@";

/** One body. About one in 4000 is longer than the limit of 1 MiB. */
export function hostileBody(random: Random, good: string): string | Uint8Array<ArrayBuffer> {
  if (random.chance(4000)) return good + " ".repeat((1 << 20) + random.below(4096));
  return random.pick(BENDS)(random, good);
}

function withTree(random: Random, good: string, change: (tree: unknown) => unknown): string {
  const tree: unknown = good === "" ? { NetworkID: "n", Options: {} } : JSON.parse(good);
  const changed = JSON.stringify(change(tree)) ?? "";
  return random.chance(8) ? changed.replaceAll(":", " :\t") : changed;
}

function replaceOne(random: Random, tree: unknown): unknown {
  return changeOne(random, tree, () => random.pick(VALUES));
}

/** Walks down at random and changes what it stops at. */
function changeOne(random: Random, tree: unknown, change: () => unknown): unknown {
  const entries = typeof tree === "object" && tree !== null ? Object.entries(tree) : [];
  const [first, ...rest] = entries;
  if (first === undefined || random.chance(6)) return change();
  const [key, value] = random.pick([first, ...rest]);
  const changed = changeOne(random, value, change);
  if (Array.isArray(tree)) return tree.map((item, i) => (String(i) === key ? changed : item));
  return Object.fromEntries(entries.map((entry) => (entry[0] === key ? [key, changed] : entry)));
}

function renameOne(random: Random, tree: unknown): unknown {
  if (typeof tree !== "object" || tree === null || Array.isArray(tree)) return random.pick(VALUES);
  const entries = Object.entries(tree);
  const at = random.below(entries.length + 1);
  return Object.fromEntries(
    entries.map(([key, value], i) => {
      if (i === at) return [random.pick(KEYS), value];
      return [key, random.chance(3) && typeof value === "object" ? renameOne(random, value) : value];
    }),
  );
}

function changeCase(random: Random, tree: unknown): unknown {
  if (Array.isArray(tree)) return tree.map((item) => changeCase(random, item));
  if (typeof tree !== "object" || tree === null) return tree;
  return Object.fromEntries(
    Object.entries(tree).map(([key, value]) => [
      random.chance(2) ? key.toUpperCase() : key.toLowerCase(),
      changeCase(random, value),
    ]),
  );
}

function nested(random: Random): string {
  const depth = random.pick([10, 100, 1000, 20_000]);
  const [open, close] = random.pick<readonly [string, string]>([
    ["[", "]"],
    ['{"a":', "}"],
    ['{"Options":', "}"],
  ]);
  return open.repeat(depth) + (random.chance(3) ? "" : `1${close.repeat(depth)}`);
}

function splice(random: Random, text: string, insert: string): string {
  const at = random.below(text.length + 1);
  const skip = insert === "" ? 1 + random.below(20) : random.below(2);
  return text.slice(0, at) + insert + text.slice(at + skip);
}

function randomBytes(random: Random, good: Buffer): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(good);
  for (let n = random.below(6); n >= 0; n--) bytes[random.below(bytes.length)] = random.below(256);
  return bytes;
}
