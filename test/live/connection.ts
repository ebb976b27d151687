import { join } from "node:path";
import { until } from "../ground/until.ts";

const FIXTURE = join(import.meta.dir, "connection.fixture.ts");

interface Place {
  readonly path: string;
}

/** A TCP connection between two namespaces, which a test can see alive. */
export interface Connection extends Disposable {
  /** Something is sent over it, and comes back. */
  advance(): Promise<void>;
}

export async function talkOver(ends: {
  readonly server: Place;
  readonly client: Place;
  readonly address: string;
}): Promise<Connection> {
  using undo = new DisposableStack();
  const start = ({ path }: Place, ...args: string[]) => {
    const process_ = Bun.spawn(["nsenter", `--net=${path}`, process.execPath, FIXTURE, ...args], {
      stdin: "pipe",
      stdout: "pipe",
    });
    undo.defer(() => process_.kill("SIGKILL"));
    const heard = { text: "" };
    void (async () => {
      for await (const chunk of process_.stdout) heard.text += new TextDecoder().decode(chunk);
    })();
    return { process: process_, heard };
  };
  const server = start(ends.server, "serve");
  await until("the server listens", () => server.heard.text.includes("ready"));
  const client = start(ends.client, "talk", ends.address);
  await until("the connection is made", () => client.heard.text.includes("ready"));
  const kept = undo.move();
  const serial = { next: 1 };
  return {
    async advance() {
      const word = `word-${serial.next++}`;
      client.process.stdin.write(`${word}\n`);
      client.process.stdin.flush();
      await until(`${word} comes back`, () => client.heard.text.includes(word), {
        hopeless: () => (client.process.exitCode === null ? undefined : "the connection has ended"),
      });
    },
    [Symbol.dispose]: () => kept.dispose(),
  };
}
