import { LOG_LEVELS, type Log, type LogFields, type LogLevel } from "../lib/log.ts";

export interface LogOptions {
  /** Messages below it are dropped. */
  readonly level: LogLevel;
  /** `json`: one object a line. `text`: for people, `key=value` after the message. */
  readonly format: "json" | "text";
  /** Whether lines begin with `<N>`, which journald takes as their priority (sd-daemon(3)). */
  readonly journal: boolean;
  /** Takes whole lines, newline included. */
  readonly write: (line: string) => void;
  readonly now?: () => number;
  /** How long, in milliseconds, a message that was said is only counted when it comes again. */
  readonly repeatWindow?: number;
}

export interface Logger {
  readonly log: Log;
  /** Says what was only counted so far. To be called before exit. */
  flush(): void;
}

interface Repeated {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
  readonly since: number;
  /** How often it came since it was said. */
  count: number;
}

/** Priorities of syslog(3). */
const PRIORITY: Readonly<Record<LogLevel, number>> = { debug: 7, info: 6, warn: 4, error: 3 };

/**
 * A log that says the same thing (level, message and fields) once in `repeatWindow`, then how often it came meanwhile:
 * a parent that flaps must not fill the disk.
 */
export function makeLog(options: LogOptions): Logger {
  const { level: least, now = Date.now, repeatWindow = 10_000, write } = options;
  const render = options.format === "json" ? jsonLine : textLine;
  const recent = new Map<string, Repeated>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const say = (level: LogLevel, message: string, fields: LogFields) => {
    const prefix = options.journal ? `<${PRIORITY[level]}>` : "";
    write(`${prefix}${render(new Date(now()), level, message, fields)}\n`);
  };
  const sweep = (everything: boolean) => {
    clearTimeout(timer);
    timer = undefined;
    for (const [key, entry] of recent) {
      if (!everything && now() - entry.since < repeatWindow) continue;
      recent.delete(key);
      if (entry.count > 0) say(entry.level, entry.message, { ...entry.fields, repeated: entry.count });
    }
    if (recent.size > 0) arm();
  };
  const arm = () => {
    timer ??= setTimeout(() => sweep(false), repeatWindow);
    timer.unref();
  };

  return {
    log: (level, message, fields = {}) => {
      if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(least)) return;
      const key = JSON.stringify([level, message, fields]);
      const before = recent.get(key);
      if (before !== undefined && now() - before.since < repeatWindow) {
        before.count++;
        return;
      }
      if (before !== undefined) sweep(false);
      recent.set(key, { level, message, fields, since: now(), count: 0 });
      say(level, message, fields);
      arm();
    },
    flush: () => sweep(true),
  };
}

function jsonLine(time: Date, level: LogLevel, message: string, fields: LogFields): string {
  const own = { time: time.toISOString(), level, message };
  return JSON.stringify({ ...own, ...fields, ...own });
}

function textLine(time: Date, level: LogLevel, message: string, fields: LogFields): string {
  const pairs = Object.entries(fields).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${plainWord(String(value))}`],
  );
  const head = `${time.toTimeString().slice(0, 8)} ${level.toUpperCase().padEnd(5)} ${oneLine(message)}`;
  return [head, ...pairs].join(" ");
}

function plainWord(text: string): string {
  return /^[^\s"=\p{Cc}]+$/u.test(text) ? text : oneLine(JSON.stringify(text));
}

/** What strangers wrote must not forge a line or move the cursor. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, " ");
}

/**
 * Whether a file descriptor with this identity is the journal's own socket: systemd tells its `device:inode`
 * in JOURNAL_STREAM (systemd.exec(5)).
 */
export function isJournal(
  journalStream: string | undefined,
  stderr: { readonly dev: number; readonly ino: number },
): boolean {
  return journalStream === `${stderr.dev}:${stderr.ino}`;
}
