import { EXIT } from "./exit.ts";

/** Where a verb writes. A test hands in memory, `main` the process. */
export interface Io {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly stdoutIsTty: boolean;
  readonly stderrIsTty: boolean;
  /** Asks whoever sits at the terminal; undefined when nobody does. */
  readonly ask?: ((question: string) => Promise<string>) | undefined;
}

export type Env = Readonly<Record<string, string | undefined>>;

/**
 * The process's own streams. A reader that went away is no failure: not of `underlay network ls | head -1`, and
 * least of all of a daemon whose journald was restarted. What cannot be logged is lost, because nobody is left who
 * could be told; a daemon goes on. An answer that cannot be written is a failure.
 */
export function processIo(): Io {
  const { stdout, stderr } = process;
  stderr.on("error", () => undefined);
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") return;
    stderr.write(`underlay: cannot write to standard output: ${error.code ?? error.message}\n`);
    process.exit(EXIT.failed);
  });
  return {
    stdout: (text) => void stdout.write(text),
    stderr: (text) => void stderr.write(text),
    stdoutIsTty: stdout.isTTY === true,
    stderrIsTty: stderr.isTTY === true,
    ask: process.stdin.isTTY ? askTerminal : undefined,
  };
}

async function askTerminal(question: string): Promise<string> {
  const { createInterface } = await import("node:readline/promises");
  using terminal = createInterface({ input: process.stdin, output: process.stderr });
  // At the end of input the question stays open for ever.
  const ended = new Promise<string>((resolve) => void terminal.once("close", () => resolve("")));
  return await Promise.race([terminal.question(question), ended]);
}
