import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installFiles } from "./files.ts";
import { installRelease, type Place, type Release, removeRelease } from "./install.ts";
import { manifestPath, readManifest } from "./manifest.ts";
import { unawareReaders } from "./readers.ts";

const folder = mkdtempSync(join(tmpdir(), "underlay-install-"));
afterAll(() => rmSync(folder, { recursive: true }));

let place: Place;
let serial = 0;
beforeEach(() => {
  serial += 1;
  place = { root: join(folder, `root-${serial}`), prefix: "/usr/local" };
  mkdirSync(join(place.root, "etc"), { recursive: true });
});

const generated = {
  completions: { bash: "# bash\n", zsh: "# zsh\n", fish: "# fish\n" },
  manPages: { "underlay.8": ".TH\n" },
};

/** A program of this text. */
function release(text: string, more: Partial<Release> = {}): Release {
  const executable = join(folder, `program-${text}`);
  writeFileSync(executable, text);
  return {
    version: "1.0.0",
    storeSchema: 1,
    executable,
    files: installFiles(place.prefix, generated),
    ...more,
  };
}

const install = (some: Release) => installRelease(place, some, false);
const at = (path: string) => join(place.root, path);
const textAt = (path: string) => readFileSync(at(path), "utf8");
const whats = (changes: readonly { what: string }[]) => [...new Set(changes.map(({ what }) => what))];
const tree = () => readdirSync(place.root, { recursive: true }).sort();

function uninstall() {
  const manifest = readManifest(place.root, place.prefix);
  if (manifest === undefined) throw new Error("nothing is installed");
  return removeRelease(place, manifest);
}

describe("install", () => {
  test("puts everything in place, and twice is once", () => {
    expect(whats(install(release("one")))).toEqual(["made"]);
    expect(textAt("/usr/local/bin/underlay")).toBe("one");
    expect(statSync(at("/usr/local/bin/underlay")).mode & 0o777).toBe(0o755);
    expect(statSync(at("/etc/systemd/system/underlay.service")).mode & 0o777).toBe(0o644);
    const once = tree();
    const manifest = textAt(manifestPath(place.prefix));
    const written = statSync(at("/usr/local/bin/underlay")).ino;
    expect(whats(install(release("one")))).toEqual(["unchanged"]);
    expect([tree(), textAt(manifestPath(place.prefix))]).toEqual([once, manifest]);
    expect(statSync(at("/usr/local/bin/underlay")).ino).toBe(written);
  });

  test("names the program by its prefix in the unit", () => {
    place = { ...place, prefix: "/opt/underlay" };
    install(release("one"));
    expect(textAt("/etc/systemd/system/underlay.service")).toContain(
      "\nExecStart=/opt/underlay/bin/underlay daemon\n",
    );
    expect(textAt("/etc/systemd/system/underlay.service")).not.toContain("/usr/local");
  });

  test("an upgrade replaces by rename and removes what the new one does not have", () => {
    install(release("one"));
    const files = installFiles(place.prefix, generated).filter(({ path }) => !path.endsWith(".rules"));
    const changes = install(release("two", { files, version: "2.0.0" }));
    expect(changes.filter(({ what }) => what !== "unchanged")).toEqual([
      { what: "changed", path: "/usr/local/bin/underlay" },
      { what: "removed", path: "/etc/udev/rules.d/90-underlay.rules" },
    ]);
    expect(readManifest(place.root, place.prefix)?.version).toBe("2.0.0");
    uninstall();
    expect(tree()).toEqual(["etc"]);
  });

  test("an upgrade that was cut short is known, and is finished by the next", () => {
    install(release("one"));
    mkdirSync(at(`/usr/local/bin/.underlay-new-${process.pid}`));
    expect(() => install(release("two"))).toThrow("/usr/local/bin/underlay cannot be written");
    expect(textAt("/usr/local/bin/underlay")).toBe("one");
    expect(readdirSync(at("/usr/local/bin"))).toEqual(["underlay"]);
    // As if it had been cut short one step later.
    writeFileSync(at("/usr/local/bin/underlay"), "two");
    expect(whats(uninstall())).toEqual(["removed"]);
    expect(tree()).toEqual(["etc"]);
  });

  test("tells and does nothing with dryRun", () => {
    expect(whats(installRelease(place, release("one"), true))).toEqual(["made"]);
    expect(tree()).toEqual(["etc"]);
  });

  test("overwrites nothing that is not ours, and says all of it at once", () => {
    mkdirSync(at("/usr/local/bin"), { recursive: true });
    mkdirSync(at("/etc/udev/rules.d"), { recursive: true });
    writeFileSync(at("/usr/local/bin/underlay"), "of somebody");
    writeFileSync(at("/etc/udev/rules.d/90-underlay.rules"), "of somebody");
    const before = tree();
    try {
      install(release("one"));
      throw new Error("it was installed");
    } catch (thrown) {
      expect(thrown).toMatchObject({
        code: "conflict",
        problems: [
          { subject: "/etc/udev/rules.d/90-underlay.rules", message: expect.stringContaining("not ours") },
          { subject: "/usr/local/bin/underlay" },
        ],
      });
    }
    expect(tree()).toEqual(before);
  });

  test("a folder where a file should be is not ours", () => {
    mkdirSync(at("/usr/local/bin/underlay"), { recursive: true });
    expect(() => install(release("one"))).toThrow("not ours");
  });

  test("keeps what was changed by hand: an upgrade refuses, an uninstall leaves it", () => {
    install(release("one"));
    const unit = "/etc/systemd/system/underlay.service";
    writeFileSync(at(unit), "mine");
    expect(() => install(release("two"))).toThrow("was changed by hand");
    expect(textAt("/usr/local/bin/underlay")).toBe("one");
    expect(uninstall().filter(({ what }) => what === "kept")).toEqual([{ what: "kept", path: unit }]);
    expect(tree()).toEqual(["etc", "etc/systemd", "etc/systemd/system", unit.slice(1)]);
  });

  test("a manifest that is none is an error that names it", () => {
    install(release("one"));
    writeFileSync(at(manifestPath(place.prefix)), "{}");
    expect(() => install(release("one"))).toThrow(manifestPath(place.prefix));
  });
});

test("uninstall leaves folders and files of others", () => {
  mkdirSync(at("/usr/local/share/man"), { recursive: true });
  install(release("one"));
  writeFileSync(at("/usr/local/bin/other"), "");
  uninstall();
  expect(existsSync(at("/usr/local/bin/underlay"))).toBe(false);
  expect(tree()).toEqual([
    "etc",
    "usr",
    "usr/local",
    "usr/local/bin",
    "usr/local/bin/other",
    "usr/local/share",
    "usr/local/share/man",
  ]);
});

test("managers of links are told of what changed for them, where they run", () => {
  const changes = install(release("one"));
  expect(unawareReaders(place, changes)).toEqual([]);
  mkdirSync(at("/run/NetworkManager"), { recursive: true });
  mkdirSync(at("/run/systemd/netif"), { recursive: true });
  expect(unawareReaders(place, changes).map(({ name }) => name)).toEqual(["NetworkManager"]);
  writeFileSync(at("/run/systemd/netif/state"), "");
  expect(unawareReaders(place, changes).map(({ name }) => name)).toEqual([
    "NetworkManager",
    "systemd-networkd",
  ]);
  expect(unawareReaders(place, install(release("one")))).toEqual([]);
});

describe("the unit", () => {
  const unit =
    installFiles("/usr/local", generated).find(({ path }) => path.endsWith(".service"))?.text ?? "";
  const lines = unit.split("\n");

  test("every directive has a comment above it, or shares that of the ones above", () => {
    const bare = lines.filter((line, i) => /^[A-Z]\w+=/.test(line) && !/^[#A-Z]/.test(lines[i - 1] ?? ""));
    // The first one of a section.
    expect(bare.map((line) => line.split("=")[0])).toEqual(["Description", "WantedBy"]);
  });

  test("does not forbid what a JIT compiler and setns need", () => {
    const forbidden =
      /^(MemoryDenyWriteExecute|LimitAS|ProtectKernelTunables|ProtectProc|PrivateNetwork|PrivateUsers)=/;
    expect(lines.filter((line) => forbidden.test(line))).toEqual([]);
  });
});
