import { UnderlayError } from "../../../lib/errors.ts";
import type { MoveRecord } from "./record.ts";

/**
 * The dead-man: another process, with a connection to this one. When that closes without a word, or the time is over, it
 * brings everything back. Armed before anything moves.
 */
export interface Guard {
  /** All is well: it ends. Throws `timeout` when it had begun to bring things back. */
  standDown(): Promise<void>;
  /** It is left alone, and does its work now. */
  leave(): void;
}

export interface Orders {
  readonly record: MoveRecord;
  readonly bootId: string;
  /** Milliseconds until it brings things back by itself. */
  readonly within: number;
}

/** Throws when there is none, and nothing may move then. */
export type PostGuard = (orders: Orders) => Promise<Guard>;

/** One line each. */
export const WORDS = { ready: "ready", done: "done", ok: "ok", back: "back" } as const;

/** Of that which it calls a socket. */
export interface GuardSocket {
  write(text: string): unknown;
  end(): unknown;
}

/** The lines of a stream of bytes, as they come; one reader. */
export function lineReader() {
  const lines: string[] = [];
  const waiting: ((line: string | undefined) => void)[] = [];
  const state = { rest: "", isOver: false };
  const decoder = new TextDecoder();
  return {
    heard(bytes: Uint8Array): void {
      const parts = (state.rest + decoder.decode(bytes, { stream: true })).split("\n");
      state.rest = parts.pop() ?? "";
      for (const line of parts) {
        const waiter = waiting.shift();
        if (waiter) waiter(line);
        else lines.push(line);
      }
    },
    over(): void {
      state.isOver = true;
      for (const waiter of waiting.splice(0)) waiter(undefined);
    },
    /** Undefined: it is over. */
    next(): Promise<string | undefined> {
      const line = lines.shift();
      if (line !== undefined || state.isOver) return Promise.resolve(line);
      return new Promise((resolve) => waiting.push(resolve));
    },
  };
}

export type LineReader = ReturnType<typeof lineReader>;

/** Milliseconds until a guard that was started has to say that it is ready, and to answer. */
export const GUARD_PATIENCE = 10_000;

/** The daemon's side of the connection, once it is there. Resolves when the guard is ready. */
export async function postedGuard(
  socket: GuardSocket,
  lines: Pick<LineReader, "next">,
  orders: Orders,
): Promise<Guard> {
  socket.write(`${JSON.stringify(orders)}\n`);
  const first = await inTime(lines.next());
  if (first !== WORDS.ready) {
    socket.end();
    throw new UnderlayError(
      "timeout",
      `the process that is to guard the move does not begin: ${first ?? "it ended"}`,
    );
  }
  return {
    async standDown() {
      socket.write(`${WORDS.done}\n`);
      const answer = await inTime(lines.next());
      socket.end();
      if (answer === WORDS.ok) return;
      const why =
        answer === WORDS.back
          ? "it took too long, and its guard has brought everything back"
          : "its guard has ended";
      throw new UnderlayError("timeout", why);
    },
    leave: () => void socket.end(),
  };
}

async function inTime(line: Promise<string | undefined>): Promise<string | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), GUARD_PATIENCE);
  try {
    return await Promise.race([line, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** What the guard itself does: ends when it is told to, else brings things back. Answers whether it did. */
export async function standGuard(
  socket: GuardSocket,
  lines: Pick<LineReader, "next">,
  within: number,
  bringBack: () => Promise<void>,
): Promise<boolean> {
  const over = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => over.resolve(undefined), within);
  socket.write(`${WORDS.ready}\n`);
  const word = await Promise.race([lines.next(), over.promise]);
  clearTimeout(timer);
  if (word === WORDS.done) {
    socket.write(`${WORDS.ok}\n`);
    return false;
  }
  socket.write(`${WORDS.back}\n`);
  await bringBack();
  return true;
}
