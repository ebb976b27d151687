import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CASES } from "../conditions/cases.fixture.ts";
import { CONF_CASES } from "../conditions/confs.fixture.ts";
import { HOST_CASES } from "../conditions/host-cases.fixture.ts";
import { confFindings, findings, hostFindings } from "../conditions/judge.ts";
import { parseArgs } from "./args.ts";
import { flagsOf } from "./flags.ts";
import { findVerb } from "./verbs.ts";

/** Commands that we tell people to type must be commands of this version. */

const root = join(import.meta.dir, "../..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const filesOf = (pattern: string) => [...new Bun.Glob(pattern).scanSync(root)].sort();

const fixes = filesOf("src/{conditions,links,engine}/**/*.ts").flatMap((path) =>
  [...read(path).matchAll(/run: "underlay ([^"]+)"/g)].map((match) => [path, match[1] ?? ""] as const),
);
const fences = ["README.md", ...filesOf("docs/**/*.md")].flatMap((path) =>
  [...read(path).matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block = ""]) =>
    [...block.matchAll(/^(?:dist\/)?underlay ([^#|\n]+)/gm)].map((match) => [path, match[1] ?? ""] as const),
  ),
);

test("both kinds of places are found", () => {
  expect(fixes.length).toBeGreaterThan(0);
  expect(fences.length).toBeGreaterThan(0);
});

/** What findings really print, names and options filled in. */
const printed = [
  ...Object.values(CASES).flatMap(({ holds }) => holds.flatMap(({ judged }) => findings(judged))),
  ...Object.values(HOST_CASES).flatMap(({ holds }) =>
    holds.flatMap(({ host }) => hostFindings(host).findings),
  ),
  ...Object.values(CONF_CASES).flatMap(({ holds }) => holds.flatMap(({ conf }) => confFindings(conf))),
].flatMap(({ id, fix }) =>
  fix.flatMap(({ run }) =>
    run?.startsWith("underlay ") ? [[id, run.slice("underlay ".length)] as const] : [],
  ),
);

test("findings print commands of ours", () => expect(printed.length).toBeGreaterThan(0));

test.each([...fixes, ...fences, ...printed])("%s: underlay %s", (_, line) => {
  const given = parseArgs(line.trim().split(/\s+/));
  const { verb, rest } = findVerb(given.words);
  const args = verb.args ?? [];
  expect(rest.length).toBeLessThanOrEqual(args.length);
  expect(rest.length).toBeGreaterThanOrEqual(args.filter((arg) => !arg.startsWith("[")).length);
  expect(flagsOf(verb)).toEqual(expect.arrayContaining([...given.used]));
});
