import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installPlugins, leftOriginals, planned, removePlugins } from "./cni.ts";
import { readCniManifest } from "./cni-manifest.ts";

const folder = mkdtempSync(join(tmpdir(), "underlay-cni-install-"));
afterAll(() => rmSync(folder, { recursive: true }));

let binDir = "";
let serial = 0;
beforeEach(() => {
  serial += 1;
  binDir = join(folder, `bin-${serial}`);
  mkdirSync(binDir);
});

/** A program that prints this. */
function program(path: string, says: string): string {
  writeFileSync(path, `#!/bin/sh\necho ${says}\n`);
  chmodSync(path, 0o755);
  return path;
}

const at = (name: string) => join(binDir, name);
const release = (says: string, plugins: readonly string[]) => ({
  version: "1",
  executable: program(join(folder, `program-${says}`), says),
  plugins,
});
const install = (says: string, ...plugins: string[]) => installPlugins(binDir, release(says, plugins), []);
const says = (name: string) =>
  Bun.spawnSync([at(name)])
    .stdout.toString()
    .trim();
const shown = () => readdirSync(binDir).sort();
const visible = () => shown().filter((name) => name !== ".underlay");
const whats = (changes: readonly { what: string }[]) => changes.map(({ what }) => what);

function uninstall() {
  const manifest = readCniManifest(binDir);
  return manifest ? removePlugins(binDir, manifest) : [];
}

describe("install", () => {
  test("puts one executable there and relative links, and twice is once", () => {
    expect(whats(install("one", "macvlan", "ipvlan"))).toEqual(["made", "made", "made"]);
    expect(readlinkSync(at("macvlan"))).toBe("underlay");
    expect(statSync(at("underlay")).mode & 0o777).toBe(0o755);
    expect(says("ipvlan")).toBe("one");
    const before = [lstatSync(at("macvlan")).ino, statSync(at("underlay")).ino];
    expect(whats(install("one", "macvlan", "ipvlan"))).toEqual(["unchanged", "unchanged", "unchanged"]);
    expect([lstatSync(at("macvlan")).ino, statSync(at("underlay")).ino]).toEqual(before);
  });

  test("keeps what had a name aside, and gives it back", () => {
    program(at("macvlan"), "reference");
    symlinkSync("macvlan", at("ipvlan"));
    const [file, link] = [lstatSync(at("macvlan")).ino, lstatSync(at("ipvlan")).ino];
    expect(whats(install("one", "macvlan", "ipvlan", "dummy"))).toEqual([
      "made",
      "replaced",
      "replaced",
      "made",
    ]);
    expect([says("macvlan"), says("ipvlan"), says("dummy")]).toEqual(["one", "one", "one"]);
    expect(whats(uninstall())).toEqual(["put back", "put back", "removed", "removed"]);
    expect(shown()).toEqual(["ipvlan", "macvlan"]);
    expect([lstatSync(at("macvlan")).ino, lstatSync(at("ipvlan")).ino]).toEqual([file, link]);
    expect(says("ipvlan")).toBe("reference");
  });

  test("of a newer program is an upgrade", () => {
    program(at("macvlan"), "reference");
    install("one", "macvlan");
    expect(whats(install("two", "macvlan"))).toEqual(["changed", "unchanged"]);
    expect(says("macvlan")).toBe("two");
    uninstall();
    expect(says("macvlan")).toBe("reference");
  });

  test("of fewer names gives the others back", () => {
    program(at("macvlan"), "reference");
    install("one", "macvlan", "ipvlan");
    expect(whats(install("one", "dummy"))).toEqual(["unchanged", "made", "put back", "removed"]);
    expect([says("macvlan"), existsSync(at("ipvlan"))]).toEqual(["reference", false]);
    expect(readCniManifest(binDir)?.plugins).toEqual(["dummy"]);
  });

  test("takes a name again that somebody else took, and keeps the newer original", () => {
    program(at("macvlan"), "old");
    install("one", "macvlan");
    rmSync(at("macvlan"));
    program(at("macvlan"), "new");
    expect(whats(install("one", "macvlan"))).toEqual(["unchanged", "replaced"]);
    uninstall();
    expect(says("macvlan")).toBe("new");
  });

  test.each([
    ["a program of somebody else", () => void program(at("underlay"), "other")],
    ["a link to a program", () => symlinkSync(program(join(folder, "elsewhere"), "other"), at("underlay"))],
    ["a folder", () => mkdirSync(at("macvlan"))],
  ])("refuses %s in the way, and changes nothing", (_, make) => {
    make();
    const before = shown();
    expect(() => install("one", "macvlan")).toThrow("is there and not ours: move it away");
    expect(shown()).toEqual(before);
  });

  test("is planned without a trace", () => {
    program(at("macvlan"), "reference");
    const changes = planned(binDir, release("one", ["macvlan"]), undefined);
    expect(whats(changes)).toEqual(["made", "replaced"]);
    expect(shown()).toEqual(["macvlan"]);
  });
});

describe("uninstall", () => {
  test("leaves a name that is somebody else's by now, and tells of the original", () => {
    program(at("macvlan"), "reference");
    install("one", "macvlan");
    rmSync(at("macvlan"));
    program(at("macvlan"), "third");
    const manifest = readCniManifest(binDir);
    if (!manifest) throw new Error("nothing is installed");
    expect(whats(removePlugins(binDir, manifest))).toEqual(["kept", "removed"]);
    expect(says("macvlan")).toBe("third");
    expect(leftOriginals(binDir, manifest)).toEqual([at(".underlay/originals/macvlan")]);
  });

  test("leaves an executable that is not the one that was installed", () => {
    install("one", "macvlan");
    program(at("underlay"), "changed");
    expect(whats(uninstall())).toEqual(["removed", "kept"]);
    expect(shown()).toEqual(["underlay"]);
  });

  test("removes folders that were made for it", () => {
    const deep = join(binDir, "opt/cni/bin");
    installPlugins(deep, release("one", ["macvlan"]), [join(binDir, "opt"), join(binDir, "opt/cni"), deep]);
    const manifest = readCniManifest(deep);
    if (manifest) removePlugins(deep, manifest);
    expect(shown()).toEqual([]);
  });

  test("does nothing with a list that is not ours", () => {
    mkdirSync(at(".underlay"));
    writeFileSync(at(".underlay/manifest.json"), "{}");
    expect(uninstall).toThrow("is not the list that cni install writes");
  });
});

const FIXTURE = join(import.meta.dir, "cni-killed.fixture.ts");
const NAMES = ["macvlan", "ipvlan", "dummy"];

describe("killed before any of its changes", () => {
  /** Runs until one lives to its end; answers how many were killed. */
  function killEach(prepare: () => void, args: () => readonly string[], judge: () => void): number {
    for (let last = 1; ; last++) {
      rmSync(binDir, { recursive: true });
      mkdirSync(binDir);
      prepare();
      const { signalCode } = Bun.spawnSync([process.execPath, FIXTURE, `${last}`, binDir, ...args()]);
      judge();
      if (signalCode !== "SIGKILL") return last - 1;
    }
  }

  const originals = () => {
    program(at("macvlan"), "reference");
    program(at("ipvlan"), "reference");
  };
  const works = (name: string, ...any: string[]) => expect(any).toContain(says(name));

  test("install leaves a folder in which every name works, and can be done again or taken back", () => {
    const one = release("one", NAMES);
    const killed = killEach(
      originals,
      () => [one.executable, NAMES.join(",")],
      () => {
        for (const name of ["macvlan", "ipvlan"]) works(name, "reference", "one");
        for (const name of visible()) expect(says(name)).not.toBe("");
        if (serial++ % 2) {
          installPlugins(binDir, one, []);
          for (const name of NAMES) works(name, "one");
          expect(readdirSync(at(".underlay")).sort()).toEqual(["manifest.json", "originals"]);
        }
        uninstall();
        for (const name of ["macvlan", "ipvlan"]) works(name, "reference");
        expect(visible()).toEqual(["ipvlan", "macvlan"]);
      },
    );
    expect(killed).toBeGreaterThan(8);
  });

  test("an upgrade leaves the old one or the new one", () => {
    const two = release("two", ["macvlan"]);
    const killed = killEach(
      () => {
        originals();
        install("one", ...NAMES);
      },
      () => [two.executable, "macvlan"],
      () => {
        works("macvlan", "one", "two");
        works("ipvlan", "one", "two", "reference");
        uninstall();
        expect(shown()).toEqual(["ipvlan", "macvlan"]);
      },
    );
    expect(killed).toBeGreaterThan(3);
  });

  test("uninstall leaves ours or the original, and can be done again", () => {
    const killed = killEach(
      () => {
        originals();
        install("one", ...NAMES);
      },
      () => [],
      () => {
        for (const name of ["macvlan", "ipvlan"]) works(name, "reference", "one");
        for (const name of visible()) expect(says(name)).not.toBe("");
        uninstall();
        expect(visible()).toEqual(["ipvlan", "macvlan"]);
        expect(existsSync(at(".underlay/originals/macvlan"))).toBe(false);
      },
    );
    expect(killed).toBeGreaterThan(5);
  });
});

test("the manifest names what is ours", () => {
  install("one", "macvlan");
  expect(JSON.parse(readFileSync(at(".underlay/manifest.json"), "utf8"))).toEqual({
    schema: "underlay.cni-manifest/v1",
    version: "1",
    executables: [expect.stringMatching(/^[0-9a-f]{64}$/)],
    plugins: ["macvlan"],
    folders: [],
  });
});
