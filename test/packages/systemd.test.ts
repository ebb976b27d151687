import { beforeAll, describe, expect, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import type { PrivateHost } from "../ground/host.ts";
import { BUILT, startPackagingHost } from "../ground/packaging.ts";

/** What systemd says about the files that are installed for it. */

const things = disposedAfterAll();
const UNIT = "/etc/systemd/system/underlay.service";
let host: PrivateHost;

beforeAll(async () => {
  host = things.use(await startPackagingHost());
  await host.must([BUILT, "install"]);
}, 600_000);

const verify = (path: string) => host.run(["systemd-analyze", "verify", "--man=no", path]);

describe("the unit", () => {
  test("is understood whole by systemd-analyze verify", async () => {
    expect(await verify(UNIT)).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test.each([
    ["a directive that does not exist", "s/^ProtectHome=/ProtectHomes=/", "ProtectHomes"],
    ["a value that does not exist", "s/^RestrictNamespaces=.*/RestrictNamespaces=nett/", "nett"],
    [
      "a program that does not exist",
      "s/^ExecStart=.*/ExecStart=\\/nowhere\\/underlay daemon/",
      "/nowhere/underlay",
    ],
  ])("%s would be told", async (_, edit, told) => {
    await host.must(["mkdir", "-p", "/tmp/broken"]);
    await host.must(["sh", "-c", `sed '${edit}' ${UNIT} >/tmp/broken/underlay.service`]);
    expect((await verify("/tmp/broken/underlay.service")).stderr).toContain(told);
  });

  test("is ordered before Docker, and orders nothing else about it", async () => {
    const text = await host.must(["cat", UNIT]);
    const about = text.split("\n").filter((line) => /docker\.service/.test(line));
    expect(about).toEqual(["Before=docker.service podman.service"]);
  });
});
