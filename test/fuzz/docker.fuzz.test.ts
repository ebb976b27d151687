import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FuzzTarget, fuzzSuite } from "./suite.ts";

fuzzSuite("the adapter", startAdapter, 5_000);

/** In a process of its own, so that the end of it would be seen. */
async function startAdapter(things: AsyncDisposableStack): Promise<FuzzTarget> {
  const folder = mkdtempSync(join(tmpdir(), "underlay-fuzz-"));
  things.defer(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "x.sock");
  const script = join(import.meta.dir, "serve-fake.ts");
  const server = Bun.spawn([process.execPath, script, path], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  things.defer(async () => {
    server.kill("SIGTERM");
    await server.exited;
  });
  await server.stdout.getReader().read();
  return { path, troubles: () => (server.exitCode === null ? [] : ["it ended"]) };
}
