import { until } from "../ground/until.ts";
import type { LoneDaemon } from "./lone-daemon.ts";

/** A service manager that a daemon can tell about itself. Abstract names belong to a netns, so it is in the daemon's. */
export interface Manager extends AsyncDisposable {
  /** What came, datagram by datagram, as lines, with the time of arrival in milliseconds. */
  readonly heard: readonly Message[];
  /** The first message with that line, waited for. */
  first(line: string): Promise<Message>;
  /** Reads no more; what is sent to it stays in its queue. */
  pause(): void;
}

export interface Message {
  readonly lines: readonly string[];
  readonly at: number;
}

/** `tried`: sockets that it tries to connect to at the moment of READY=1. */
export async function startManager(
  daemon: LoneDaemon,
  socket: string,
  tried: readonly string[] = [],
): Promise<Manager> {
  const script = `${import.meta.dir}/manager.py`;
  const child = Bun.spawn(["nsenter", `--net=${daemon.netns}`, "python3", script, socket, ...tried], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const messages: Message[] = [];
  const reading = readLines(child.stdout, (line) => {
    messages.push({ lines: JSON.parse(line), at: performance.now() });
  });
  await until("the manager listens", () => messages.shift(), {
    hopeless: () => (child.exitCode === null ? undefined : `it ended with ${child.exitCode}`),
  });
  return {
    heard: messages,
    first: (line) => until(`${line} is heard`, () => messages.find(({ lines }) => lines.includes(line))),
    pause: () => child.kill("SIGSTOP"),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
      await reading;
    },
  };
}

async function readLines(stream: ReadableStream<Uint8Array>, take: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) take(line);
  }
}
