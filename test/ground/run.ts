/** Running other programs to their end. */

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Blob;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/**
 * Runs a program and hands back whatever came; a timeout (30 s unless told) kills it and throws. Of one that a signal
 * ended otherwise the code is 128 and the signal's number.
 */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Output> {
  const timeoutMs = options.timeoutMs ?? 30_000;
  const started = performance.now();
  const child = Bun.spawn([...argv], {
    stdin: options.input === undefined ? "ignore" : new Blob([options.input]),
    stdout: "pipe",
    stderr: "pipe",
    env: options.env ?? process.env,
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (child.signalCode === "SIGKILL" && performance.now() - started >= timeoutMs)
    throw new Error(`killed after ${timeoutMs} ms: ${argv.join(" ")}\n${stdout}${stderr}`);
  return { code, stdout, stderr };
}

/** Runs a program that has to succeed; answers its standard output without the last line feed. */
export async function must(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const output = await run(argv, options);
  if (output.code !== 0)
    throw new Error(`exit ${output.code}: ${argv.join(" ")}\n${output.stderr}${output.stdout}`);
  return output.stdout.trimEnd();
}
