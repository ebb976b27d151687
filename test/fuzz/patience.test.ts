import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serveDriver } from "../../src/docker/server.ts";

// In unit tests it would be the slowest by far.
test("a call that takes longer than Bun's own idle timeout of 10 s is answered", async () => {
  const folder = mkdtempSync(join(tmpdir(), "docker-patience-"));
  const path = join(folder, "x.sock");
  const server = await serveDriver({
    path,
    handler: async () => {
      await Bun.sleep(12_500);
      return new Response("late");
    },
  });
  const response = await fetch("http://x/", { unix: path, method: "POST" });
  expect(await response.text()).toBe("late");
  await server.stop();
  rmSync(folder, { recursive: true });
}, 20_000);
