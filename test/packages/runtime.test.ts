import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { must, run } from "../ground/run.ts";

/** The runtime of the CPU that npm does not install: what is fetched has to be what the lockfile names. */

const REPOSITORY = resolve(import.meta.dir, "../..");
const NAME = "bun-linux-aarch64";
const CACHE = `node_modules/.cache/underlay/${NAME}-1.0.0`;
let folder = "";

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "underlay-runtime-"));
  mkdirSync(join(folder, "tools"));
  cpSync(join(REPOSITORY, "tools/runtime.sh"), join(folder, "tools/runtime.sh"));
  // A package of one file, and an npm that hands it out and counts.
  mkdirSync(join(folder, "package/bin"), { recursive: true });
  writeFileSync(join(folder, "package/bin/bun"), "a runtime");
  await must(["tar", "-czf", join(folder, "package.tgz"), "-C", folder, "package"]);
  mkdirSync(join(folder, "bin"));
  writeFileSync(
    join(folder, "bin/npm"),
    `#!/bin/sh\necho "$@" >>'${folder}/asked'\nwhile [ "$1" != --pack-destination ]; do shift; done\ncp '${folder}/package.tgz' "$2/package.tgz"\n`,
  );
  chmodSync(join(folder, "bin/npm"), 0o755);
});
afterEach(() => rmSync(folder, { recursive: true }));

function lock(integrity: string): void {
  const packages = { [`node_modules/@oven/${NAME}`]: { version: "1.0.0", integrity } };
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify({ packages }));
}

const runtime = () =>
  run([join(folder, "tools/runtime.sh"), "arm64"], {
    env: { PATH: `${join(folder, "bin")}:${process.env["PATH"]}` },
  });

test("it is fetched once, in the version of the lockfile", async () => {
  const hash = new Bun.CryptoHasher("sha512")
    .update(readFileSync(join(folder, "package.tgz")))
    .digest("base64");
  lock(`sha512-${hash}`);
  for (const _ of [1, 2])
    expect(await runtime()).toEqual({ code: 0, stdout: `${CACHE}/package/bin/bun\n`, stderr: "" });
  expect(readFileSync(join(folder, "asked"), "utf8")).toMatch(/^pack .* @oven\/bun-linux-aarch64@1\.0\.0\n$/);
});

test("another content is refused, and not kept", async () => {
  lock(`sha512-${"A".repeat(86)}==`);
  const { code, stdout, stderr } = await runtime();
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain("is not what package-lock.json names");
  expect(existsSync(join(folder, CACHE))).toBe(false);
});
