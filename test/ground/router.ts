import type { PrivateHost } from "./host.ts";
import { must } from "./run.ts";

/** What the LAN's router can do. Its netns is entered from the machine's own root, where Bun and Python are. */

/** Serves names on an address of the router: every name has the address `answer`. */
export async function serveNames(
  host: PrivateHost,
  listen: string,
  answer: string,
): Promise<AsyncDisposable> {
  const script = `${import.meta.dir}/router-dns.ts`;
  const child = Bun.spawn([...inRouter(host), process.execPath, script, listen, answer], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const first = await child.stdout.getReader().read();
  if (first.done) throw new Error(`the name server ended with ${await child.exited}`);
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** Sends one router advertisement for a /64 to the LAN. */
export async function advertise(host: PrivateHost, prefix: string): Promise<void> {
  await must([...inRouter(host), "python3", `${import.meta.dir}/router-advertise.py`, "lan1", prefix]);
}

function inRouter(host: PrivateHost): string[] {
  return ["nsenter", `--net=${host.outside("/run/netns/router")}`];
}
