import { afterAll, describe, expect, test } from "bun:test";
import * as v from "valibot";
import { fakeEngine } from "../daemon/admin.fixture.ts";
import { ErrorBody } from "../daemon/api.ts";
import { CODES } from "../lib/errors.ts";
import { newHost } from "./cli.fixture.ts";
import { EXIT, EXIT_MEANINGS, exitCodeOf } from "./exit.ts";
import { VERBS } from "./verbs.ts";

const host = newHost();
const broken = newHost();
host.startDaemon();
broken.startDaemon(fakeEngine({ broken: true }));
afterAll(async () => {
  await host.close();
  await broken.close();
});

describe("help", () => {
  test.each(["", "help", "--help", "-h"])("%j shows all verbs and exit codes", async (line) => {
    const { code, out, err } = await host.run(line);
    expect([code, err]).toEqual([0, ""]);
    for (const verb of VERBS) expect(out).toContain(`  ${verb.words}`);
    for (const meaning of Object.values(EXIT_MEANINGS)) expect(out).toContain(meaning);
  });

  test.each(VERBS.map((verb) => verb.words))("of %s, three ways", async (words) => {
    const first = await host.run(`help ${words}`);
    expect(first.out).toStartWith(`Usage: underlay ${words}`);
    expect(await host.run(`${words} --help`)).toEqual(first);
    expect(await host.run(`-h ${words}`)).toEqual(first);
  });

  test("of a noun shows its verbs only", async () => {
    const { out } = await host.run("help network");
    expect(out).toContain("network inspect NETWORK");
    expect(out).not.toContain("gc");
  });
});

describe("wrong usage exits with 2 and says what is right", () => {
  test.each([
    ["netwrok ls", "unknown verb netwrok, did you mean network? (see `underlay help`)"],
    ["network", "underlay network needs a verb: ls, inspect"],
    ["network sl", "unknown verb sl of network, did you mean ls?; there are ls, inspect"],
    ["config", "underlay config needs a verb: show"],
    ["network ls --orgin", "unknown flag --orgin, did you mean --origin?"],
    ["network ls --origin", "underlay network ls has no flag --origin (see `underlay help network ls`)"],
    ["network ls --macvlan-parent=eth0", "underlay network ls has no flag --macvlan-parent"],
    ["network inspect", "NETWORK is missing: underlay network inspect NETWORK"],
    ["network inspect a b", "b is too much: underlay network inspect NETWORK"],
    ["status now", "now is too much: underlay status"],
    [
      "network ls -o yml",
      '--output: "yml" is none of table, wide, json, jsonl, yaml, name, did you mean yaml?',
    ],
    [
      "network ls --sort=paren",
      "--sort: unknown key paren, did you mean parent?; keys are created, id, kind",
    ],
    ["status --sort=id", "underlay status has no flag --sort"],
    ["status -o wide", '--output: "wide" is none of table, json, jsonl'],
    [
      "network ls -f parnet=x",
      "--filter: unknown key parnet, did you mean parent?; keys are id, kind, parent",
    ],
    ["network ls -f constructor=x", "--filter: unknown key constructor; keys are"],
    ["network ls -f parent", "--filter parent: write it like id=…"],
    ["network ls --color=sometimes", '--color: "sometimes" is none of auto, always, never'],
    ["network ls --run-dir=run", '--run-dir: "run" is no absolute path'],
    ["help nothing", "unknown verb nothing"],
    ["network inspect 1758", "several networks have an id that begins with 1758"],
  ])("%s", async (line, message) => {
    const { code, out, err } = await host.run(line);
    expect([code, out]).toEqual([EXIT.usage, ""]);
    expect(err).toStartWith(`underlay: ${message}`);
  });

  test("several problems are one a line", async () => {
    const { code, err } = await host.run("status --run-dir=a --state-dir=b");
    expect(code).toBe(EXIT.usage);
    expect(err.split("\n")).toEqual([
      "underlay: 2 problems:",
      '  --run-dir: "a" is no absolute path',
      '  --state-dir: "b" is no absolute path',
      "",
    ]);
  });
});

describe("errors", () => {
  test.each([
    ["network inspect beef", EXIT.notFound, "underlay: no network has the id beef\n"],
    ["endpoint inspect beef", EXIT.notFound, "underlay: no endpoint has the id beef\n"],
    [
      "network inspect lan",
      EXIT.notFound,
      "underlay: no network has the id lan; " +
        "if it is a name, this tells the id: docker network inspect -f {{.Id}} lan\n",
    ],
    ["doctor --everything", EXIT.usage, "underlay: unknown flag --everything\n"],
    [
      "network create lan",
      EXIT.failed,
      "underlay: Docker makes and removes networks: docker network create -d underlay-macvlan … (see README)\n",
    ],
  ])("%s exits with %i", async (line, code, err) => {
    expect(await host.run(line)).toEqual({ code, out: "", err });
  });

  test("of the daemon come through", async () => {
    const { code, err } = await broken.run("network ls");
    expect([code, err]).toEqual([
      EXIT.failed,
      "underlay: underlay.db is damaged: restore it from a backup\n",
    ]);
  });

  test.each([
    ["network inspect beef -o json", "not_found"],
    ["network inspect beef -ojsonl", "not_found"],
    ["network inspect beef -o yaml", "not_found"],
    ["--output=json network sl", "invalid_option"],
    ["-o json status --nope", "invalid_option"],
  ])("%s: JSON on stderr, nothing on stdout", async (line, code) => {
    const { out, err } = await host.run(line);
    expect(out).toBe("");
    expect(v.parse(ErrorBody, JSON.parse(err)).error.code).toBe(code);
  });

  test("what others wrote cannot move the cursor", async () => {
    expect((await host.run("network inspect \u001b[2J")).err).not.toContain("\u001b");
  });

  test("every code has an exit code of the table", () => {
    const known: readonly number[] = Object.values(EXIT);
    for (const code of CODES) expect(known).toContain(exitCodeOf(code));
  });
});

test("a verb that needs no setting works with a broken configuration", async () => {
  const env = { UNDERLAY_LOG_LEVEL: "loud" };
  expect((await host.run("version", { env })).code).toBe(0);
  expect((await host.run("--version", { env })).out).toMatch(/^underlay \d+\.\d+\.\d+ /);
  expect((await host.run("network ls", { env })).code).toBe(EXIT.usage);
});
