import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { linkPlugins } from "../ground/cni.ts";
import { addParent, openTestNetns } from "../ground/netns.ts";
import { must, run } from "../ground/run.ts";

/** What a CNI process must not do, counted by the engine itself: no clock is asked. ADR 19. */

const COMPILED = /^Optimized (\S*)/gm;

const KINDS = [
  ["macvlan", { master: "lan0" }],
  ["bridge", { bridge: "br0", isGateway: true }],
  ["ptp", {}],
] as const;

test.each(KINDS)(
  "ADD and DEL of a %s with host-local end before any function has been called often enough to be compiled",
  async (type, keys) => {
    using undo = new DisposableStack();
    const folder = undo.adopt(mkdtempSync(join(tmpdir(), "underlay-start-")), (path) =>
      rmSync(path, { recursive: true }),
    );
    linkPlugins(folder, [type, "host-local"]);
    const host = undo.use(openTestNetns());
    const container = undo.use(openTestNetns());
    addParent(host, "lan0");
    const ipam = {
      type: "host-local",
      ranges: [[{ subnet: "10.50.0.0/16" }]],
      routes: [{ dst: "0.0.0.0/0" }],
      dataDir: join(folder, "data"),
    };
    const input = JSON.stringify({ cniVersion: "1.0.0", name: "n", type, ...keys, ipam });
    const call = async (verb: "ADD" | "DEL") => {
      const { code, stdout, stderr } = await run(["nsenter", `--net=${host.path}`, join(folder, type)], {
        input,
        env: {
          CNI_COMMAND: verb,
          CNI_CONTAINERID: "c1",
          CNI_IFNAME: "eth0",
          CNI_NETNS: container.path,
          CNI_PATH: folder,
          UNDERLAY_STATE_DIR: join(folder, "state"),
          BUN_JSC_reportBaselineCompileTimes: "1",
        },
      });
      expect([verb, code]).toEqual([verb, 0]);
      return [...(stdout + stderr).matchAll(COMPILED)].map(([, name]) => name);
    };
    // The first of a network makes its directory and the index of it.
    await call("ADD");
    await call("DEL");
    for (let round = 0; round < 3; round++) {
      expect(await call("ADD")).toEqual([]);
      expect(
        await must(["nsenter", `--net=${container.path}`, "ip", "-4", "address", "show", "eth0"]),
      ).toContain("10.50.0.");
      expect(await call("DEL")).toEqual([]);
    }
  },
);

test("the engine would tell of one", async () => {
  const loop = "const f = (i: number) => i + 1; for (let i = 0, n = 0; i < 10_000; i++) n = f(n);";
  const { stdout, stderr } = await run([process.execPath, "-e", loop], {
    env: { ...process.env, BUN_JSC_reportBaselineCompileTimes: "1" },
  });
  expect([...(stdout + stderr).matchAll(COMPILED)].length).toBeGreaterThan(0);
});
