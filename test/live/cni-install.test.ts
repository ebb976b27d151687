import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PLUGIN_NAMES, SERVED_NAMES } from "../../src/cni/plugins.ts";
import { cniHost, linkPlugins } from "../ground/cni.ts";
import { must, run } from "../ground/run.ts";

/** The built program as plugins, put in place and taken away by itself while runtimes start them. */

const PROGRAM = resolve(import.meta.dir, "../../dist/underlay");

let folder = "";
let binDir = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "underlay-cni-install-"));
  binDir = join(folder, "opt/cni/bin");
});
afterEach(() => rmSync(folder, { recursive: true }));

const cni = (...args: string[]) => [PROGRAM, "cni", ...args, "--bin-dir", binDir];
const install = (...more: string[]) => must([...cni("install"), ...more]);
const uninstall = () => must(cni("uninstall"));

/** What has the name, by what it answers. */
async function who(name: string): Promise<string> {
  const { stdout } = await run([join(binDir, name)], { env: { CNI_COMMAND: "VERSION" } });
  return stdout.includes("supportedVersions") ? "ours" : stdout.trim() === "Linux" ? "original" : stdout;
}

/** A script would not do: its shell opens it once more, by name, and may find ours then. */
function original(name: string): void {
  copyFileSync("/bin/uname", join(binDir, name));
}

test("every name is a plugin of this program, and all goes with uninstall", async () => {
  expect(await install()).toContain(`made      ${binDir}/macvlan\n`);
  const plugins = cniHost({ folders: [binDir] });
  for (const name of SERVED_NAMES) {
    expect(readlinkSync(join(binDir, name))).toBe("underlay");
    expect(await plugins.version(name)).toContain("1.1.0");
  }
  expect(await install()).toBe(`unchanged ${SERVED_NAMES.length + 1} files`);
  await uninstall();
  expect(readdirSync(folder)).toEqual([]);
  expect(await uninstall()).toBe(`nothing is installed in ${binDir}`);
});

test("a name is served or refused by install, as the program itself has it", async () => {
  const plugins = cniHost({ folders: [linkPlugins(join(folder, "all"))] });
  for (const name of PLUGIN_NAMES) {
    const asked = await plugins.raw(
      name,
      { CNI_COMMAND: "STATUS", CNI_PATH: folder },
      '{"cniVersion":"1.1.0","name":"n","kind":"macvlan"}',
    );
    const isServed = !asked.stdout.includes("in this program");
    expect([name, SERVED_NAMES.includes(name)]).toEqual([name, isServed]);
  }
});

test("names of others work all the time, whoever installs and uninstalls at once", async () => {
  await install("--plugins", "dummy");
  original("macvlan");
  original("host-local");
  const names = ["macvlan", "host-local"];
  let ends = false;
  const watched = (async () => {
    const seen = new Set<string>();
    while (!ends) for (const name of names) seen.add(await who(name));
    return seen;
  })();
  const runs = [cni("install"), cni("install"), cni("uninstall"), cni("install")];
  for (const { code, stderr } of await Promise.all(runs.map((argv) => run(argv)))) {
    expect([code, stderr]).toEqual([0, ""]);
  }
  await install();
  expect(await Promise.all(names.map(who))).toEqual(["ours", "ours"]);
  ends = true;
  for (const answer of await watched) expect(["original", "ours"]).toContain(answer);
  await uninstall();
  expect(await Promise.all(names.map(who))).toEqual(["original", "original"]);
  expect(readdirSync(binDir).sort()).toEqual(["host-local", "macvlan"]);
});

test("killed at any time, it is done by the next", async () => {
  await install("--plugins", "dummy");
  original("macvlan");
  for (const delayMs of [0, 40, 120, 240]) {
    for (const verb of ["install", "uninstall"]) {
      const child = Bun.spawn(cni(verb), { stdout: "ignore", stderr: "ignore" });
      await Promise.race([child.exited, Bun.sleep(delayMs)]);
      child.kill("SIGKILL");
      await child.exited;
      expect(["ours", "original"]).toContain(await who("macvlan"));
    }
  }
  await install();
  await uninstall();
  expect(await who("macvlan")).toBe("original");
  expect(existsSync(join(binDir, ".underlay"))).toBe(false);
});

test("what cannot be is said in words", async () => {
  const wrong = await run(cni("install", "--plugins", "macvlna"));
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("macvlna, did you mean macvlan?")]);
  const relative = await run([PROGRAM, "cni", "install", "--bin-dir", "bin"]);
  expect([relative.code, relative.stderr]).toEqual([2, expect.stringContaining("is no absolute path")]);
  writeFileSync(join(folder, "opt"), "");
  const file = await run(cni("install"));
  expect([file.code, file.stderr]).toEqual([1, expect.stringContaining("cannot be written: ENOTDIR")]);
});

test("a dry run changes nothing", async () => {
  expect(await install("--dry-run", "--plugins", "macvlan")).toContain(`made      ${binDir}/macvlan`);
  expect(existsSync(binDir)).toBe(false);
});
