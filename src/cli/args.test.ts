import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { UnderlayError } from "../lib/errors.ts";
import { parseArgs } from "./args.ts";
import { ALL_FLAGS } from "./flags.ts";

const parse = (line: string) => {
  const { words, flags, settings } = parseArgs(line.split(" ").filter((part) => part !== ""));
  return { words, ...Object.fromEntries(flags), ...Object.fromEntries(settings) };
};

describe("understood", () => {
  const cases: readonly (readonly [string, object])[] = [
    ["", { words: [] }],
    ["network ls", { words: ["network", "ls"] }],
    ["-o json network ls", { words: ["network", "ls"], output: ["json"] }],
    ["network -o=json ls", { words: ["network", "ls"], output: ["json"] }],
    ["network ls -ojson", { words: ["network", "ls"], output: ["json"] }],
    ["network ls --output json", { words: ["network", "ls"], output: ["json"] }],
    ["network ls --output=a=b", { words: ["network", "ls"], output: ["a=b"] }],
    ["ls -qojson", { words: ["ls"], quiet: [""], output: ["json"] }],
    ["ls -qo json", { words: ["ls"], quiet: [""], output: ["json"] }],
    ["-f a=1 -f b=2 --filter=c=3", { words: [], filter: ["a=1", "b=2", "c=3"] }],
    ["-o -q", { words: [], output: ["-q"] }],
    ["inspect -- -q --help", { words: ["inspect", "-q", "--help"] }],
    ["inspect -", { words: ["inspect", "-"] }],
    ["--state-dir /x --macvlan-parent=eth1", { words: [], state_dir: "/x", "macvlan.parent": "eth1" }],
    ["--run-dir=", { words: [], run_dir: "" }],
  ];
  test.each(cases)("%j", (line, given) => {
    expect(parse(line)).toEqual(given as ReturnType<typeof parse>);
  });
});

test.each([
  ["--ouptut json", "unknown flag --ouptut, did you mean --output?"],
  ["--state_dir=/x", "unknown flag --state_dir, did you mean --state-dir?"],
  ["--macvlan-parnet eth0", "unknown flag --macvlan-parnet, did you mean --macvlan-parent?"],
  ["--=x", "unknown flag --"],
  [
    "-x",
    "unknown flag -x; short ones are -o (--output), -q (--quiet), -f (--filter), -y (--yes), -h (--help)",
  ],
  ["-qx", "unknown flag -x; short ones are"],
  ["--quiet=yes", "--quiet takes no value"],
  ["ls -o", "-o needs a value: --output FORMAT"],
  ["ls -qo", "-qo needs a value: --output FORMAT"],
  ["--state-dir", "--state-dir needs a value: --state-dir DIR"],
])("%j is refused", (line, message) => {
  expect(() => parse(line)).toThrow(message);
});

test("any words are taken apart or refused with our error", () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom("-", "--", "-o", "-q", "--output", "--filter=", "ls", "=", "-f"),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (argv) => {
      try {
        parseArgs(argv);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(UnderlayError);
      }
    }),
  );
});

test("no two flags share a name", () => {
  const names = ALL_FLAGS.flatMap(({ long, short }) => [long, ...(short ? [short] : [])]);
  expect(new Set(names).size).toBe(names.length);
});
