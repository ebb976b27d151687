import { statSync } from "node:fs";
import type { Io } from "./plugin.ts";

/** A process as the program sees it: stdin given, what is written kept; files are the machine's. */
export interface FakeProcess {
  readonly io: Io;
  readonly written: { stdout: string[]; stderr: string[] };
  /** How many bytes were asked of stdin, each time. */
  readonly reads: number[];
}

export interface FakeProcessOptions {
  readonly stdin?: string | Uint8Array;
  readonly ownNetns?: string;
  /** Paths that lead to this program. */
  readonly ownExecutables?: readonly string[];
}

export function fakeProcess({
  stdin = "",
  ownNetns,
  ownExecutables = [],
}: FakeProcessOptions = {}): FakeProcess {
  const written = { stdout: [] as string[], stderr: [] as string[] };
  const reads: number[] = [];
  const io: Io = {
    readStdin(limit) {
      reads.push(limit);
      const bytes = typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin;
      return bytes.subarray(0, limit + 1);
    },
    writeStdout: (text) => void written.stdout.push(text),
    writeStderr: (text) => void written.stderr.push(text),
    isOwnNetns: (path) => path === ownNetns,
    isFile: (path) => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false,
    isOwnExecutable: (path) => ownExecutables.includes(path),
  };
  return { io, written, reads };
}
