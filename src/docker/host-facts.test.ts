import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askDockerd, driverFacts } from "./host-facts.ts";

const root = mkdtempSync(join(tmpdir(), "underlay-docker-host-"));
afterAll(() => rmSync(root, { recursive: true }));

describe("a driver's socket", () => {
  const noFile = () => undefined;

  test("is served, or absent", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(root, "one.sock"), resolve));
    expect(await driverFacts("one", root, noFile)).toEqual({
      name: "one",
      socket: `${root}/one.sock`,
      state: "served",
    });
    await new Promise((resolve) => server.close(resolve));
    expect((await driverFacts("one", root, noFile)).state).toBe("absent");
  });

  test("is stale when nobody listens", async () => {
    // A plain file answers connect(2) as a socket does whose owner was killed.
    writeFileSync(join(root, "two.sock"), "");
    expect((await driverFacts("two", root, noFile)).state).toBe("stale");
  });

  test("has a spec file beside it", async () => {
    const path = "/etc/docker/plugins/three.json";
    const facts = await driverFacts("three", root, (asked) => (asked === path ? "{}" : undefined));
    expect([facts.state, facts.spec]).toEqual(["absent", path]);
  });
});

describe("dockerd", () => {
  const serve = (name: string, answers: Readonly<Record<string, unknown>>) => {
    const unix = join(root, name);
    const server = Bun.serve({
      unix,
      fetch: (request) => Response.json(answers[request.url.replace(/^.*docker/, "")] ?? {}),
    });
    return { unix, [Symbol.asyncDispose]: () => server.stop(true) };
  };

  test("tells whether it is rootless, and which plugins of ours are managed", async () => {
    await using fake = serve("d.sock", {
      "/info": {
        OperatingSystem: "Debian",
        SecurityOptions: ["name=seccomp,profile=builtin", "name=rootless"],
      },
      "/plugins": [
        { Name: "me/underlay:1", Enabled: false },
        { Name: "vieux/sshfs:latest", Enabled: true },
      ],
    });
    expect(await askDockerd(fake.unix)).toEqual({
      known: { system: "Debian", rootless: true, plugins: [{ name: "me/underlay:1", enabled: false }] },
    });
  });

  test("that answers something else, or not at all, is unread with the reason", async () => {
    await using fake = serve("e.sock", { "/info": { OperatingSystem: 7 } });
    expect(await askDockerd(fake.unix)).toMatchObject({ unread: expect.stringContaining(fake.unix) });
    expect(await askDockerd(join(root, "none.sock"))).toMatchObject({
      unread: expect.stringContaining("none.sock"),
    });
  });
});
