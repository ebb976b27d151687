import { describe, expect, test } from "bun:test";
import { isJournal, type LogOptions, makeLog } from "./log.ts";

/** A log on a clock of its own. */
function lab(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const clock = { now: Date.UTC(2026, 0, 2, 3, 4, 5) };
  const logger = makeLog({
    level: "info",
    format: "json",
    journal: false,
    write: (line) => lines.push(line),
    now: () => clock.now,
    ...options,
  });
  return { ...logger, lines, clock };
}

test("JSON: one object a line, time in UTC, own keys win over fields of the same name", () => {
  const { log, lines } = lab();
  log("info", 'up "now"\n', { link: "eth0", n: 2, gone: undefined, level: "forged" });
  expect(lines).toEqual([
    '{"time":"2026-01-02T03:04:05.000Z","level":"info","message":"up \\"now\\"\\n","link":"eth0","n":2}\n',
  ]);
});

test("text: one line, values with blanks quoted, control characters made harmless", () => {
  const { log, lines } = lab({ format: "text" });
  log("warn", "bad name\nERROR forged \u001b[31m", {
    name: "a b",
    eq: "x=y",
    empty: "",
    plain: "eth0",
    no: undefined,
  });
  expect(lines[0]).toMatch(
    /^\d\d:\d\d:\d\d WARN {2}bad name ERROR forged {2}\[31m name="a b" eq="x=y" empty="" plain=eth0\n$/,
  );
});

test("levels below the wanted one are dropped", () => {
  const { log, lines } = lab({ level: "warn" });
  for (const level of ["debug", "info", "warn", "error"] as const) log(level, level);
  expect(lines.length).toBe(2);
});

test.each([
  ["debug", "<7>{"],
  ["info", "<6>{"],
  ["warn", "<4>{"],
  ["error", "<3>{"],
] as const)("for journald %s lines begin with their priority", (level, start) => {
  const { log, lines } = lab({ journal: true, level: "debug" });
  log(level, "x");
  expect(lines[0]).toStartWith(start);
});

describe("repeats", () => {
  const messages = (lines: readonly string[]) =>
    lines.map((line): unknown => {
      const { message, repeated, link } = JSON.parse(line);
      return [message, link, repeated].filter((part) => part !== undefined).join(" ");
    });

  test("are counted for the window, then said with their count", () => {
    const { log, lines, clock } = lab();
    for (let i = 0; i < 1000; i++) log("info", "down", { link: "eth0" });
    log("info", "down", { link: "eth1" });
    log("info", "other");
    expect(messages(lines)).toEqual(["down eth0", "down eth1", "other"]);
    clock.now += 10_000;
    log("info", "down", { link: "eth0" });
    expect(messages(lines).slice(3)).toEqual(["down eth0 999", "down eth0"]);
  });

  test("are said by themselves when the window is over, and not when there were none", async () => {
    const lines: string[] = [];
    const { log } = makeLog({
      level: "info",
      format: "json",
      journal: false,
      write: (line) => lines.push(line),
      repeatWindow: 20,
    });
    log("info", "once");
    log("info", "twice");
    log("info", "twice");
    const deadline = Date.now() + 2000;
    while (lines.length < 3 && Date.now() < deadline) await Bun.sleep(5);
    await Bun.sleep(60);
    expect(messages(lines)).toEqual(["once", "twice", "twice 1"]);
  });

  test("are not lost at exit", () => {
    const { log, flush, lines } = lab();
    log("info", "x");
    log("info", "x");
    flush();
    flush();
    expect(messages(lines)).toEqual(["x", "x 1"]);
  });
});

test("the journal is told by device and inode", () => {
  expect(isJournal("8:123", { dev: 8, ino: 123 })).toBe(true);
  expect(isJournal("8:124", { dev: 8, ino: 123 })).toBe(false);
  expect(isJournal(undefined, { dev: 8, ino: 123 })).toBe(false);
});
