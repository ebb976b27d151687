import { describe, expect, test } from "bun:test";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { formatIp, type Ip, parseIp } from "../../lib/ip.ts";
import { type Libc, openLibc } from "../../sys/libc.ts";
import type { HostLocalDirectory } from "./directory.ts";
import type { Owner } from "./reservations.ts";
import { newScene, type Scene } from "./scene.fixture.ts";

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed) throw new Error(`${text} is no address`);
  return parsed;
}
const owner = (container: string, ifname = "eth0"): Owner => ({ container, ifname });
const reserve = (directory: HostLocalDirectory, address: string, who: Owner, set = 0) =>
  directory.locked("make", (held) => held.reserve(ip(address), who, set, undefined));
const of = async (directory: HostLocalDirectory, who: Owner) =>
  (await directory.locked("make", (held) => held.surelyOf(who)))?.map(formatIp).sort();
const isTaken = (directory: HostLocalDirectory, address: string) =>
  directory.locked("make", (held) => held.isTaken(ip(address)));
const writeBy = (scene: Scene, address: string, text: string) => {
  mkdirSync(scene.path, { recursive: true });
  writeFileSync(join(scene.path, address), text, { flag: "wx" });
};

/** The C library, and which files it is asked to open. */
function libcThatTells(opened: (path: string) => void): Libc {
  const libc = openLibc();
  const told = new Proxy(libc.call, {
    get(calls, name) {
      if (name !== "open") return Reflect.get(calls, name);
      return (path: Uint8Array, flags: number, mode: number) => {
        opened(new TextDecoder().decode(path.subarray(0, -1)));
        return calls.open(path, flags, mode);
      };
    },
  });
  return { ...libc, call: told };
}

describe("files are the reference plugin's", () => {
  test("by name, content and mode, with the cursor beside them", async () => {
    using scene = newScene();
    const directory = scene.open();
    expect(await reserve(directory, "10.1.2.2", owner("  dummy\n "))).toBe(true);
    expect(await reserve(directory, "2001:db8:1::2", owner("dummy"), 1)).toBe(true);
    expect(scene.files()).toEqual({ "10.1.2.2": "dummy\r\neth0", "2001:db8:1::2": "dummy\r\neth0" });
    const mode = (name: string) => statSync(join(scene.path, name)).mode & 0o777;
    expect([mode("10.1.2.2"), mode("lock"), mode(".")]).toEqual([0o600, 0o600, 0o755]);
    expect(readFileSync(join(scene.path, "last_reserved_ip.0"), "utf8")).toBe("10.1.2.2");
    expect(readFileSync(join(scene.path, "last_reserved_ip.1"), "utf8")).toBe("2001:db8:1::2");
  });

  test("the cursor is as long as its address", async () => {
    using scene = newScene();
    const directory = scene.open();
    for (const address of ["10.1.2.200", "10.1.2.3"]) await reserve(directory, address, owner(address));
    expect(readFileSync(join(scene.path, "last_reserved_ip.0"), "utf8")).toBe("10.1.2.3");
    expect(await directory.locked("make", (held) => held.lastReserved(0))).toEqual(ip("10.1.2.3"));
    writeFileSync(join(scene.path, "last_reserved_ip.0"), "");
    expect(await directory.locked("make", (held) => held.lastReserved(0))).toBeUndefined();
  });

  test("an address is given once", async () => {
    using scene = newScene();
    const directory = scene.open();
    await reserve(directory, "10.1.2.2", owner("a"));
    expect(await reserve(directory, "10.1.2.2", owner("b"))).toBe(false);
    writeBy(scene, "10.1.2.3", "theirs\r\neth0");
    expect(await reserve(directory, "10.1.2.3", owner("b"))).toBe(false);
    expect(scene.files()["10.1.2.3"]).toBe("theirs\r\neth0");
  });

  test("release takes all of one interface, and leaves others", async () => {
    using scene = newScene();
    const directory = scene.open();
    await reserve(directory, "10.1.2.2", owner("a"));
    await reserve(directory, "2001:db8:1::2", owner("a"), 1);
    await reserve(directory, "10.1.2.3", owner("a", "eth1"));
    expect(await directory.locked("leave", (held) => held.release(owner("a")))).toBe(2);
    expect(scene.files()).toEqual({ "10.1.2.3": "a\r\neth1" });
    expect(await directory.locked("leave", (held) => held.release(owner("a")))).toBe(0);
  });

  test("a file of old, with the id alone, is any interface's of a container that has nothing else", async () => {
    using scene = newScene();
    const directory = scene.open();
    writeBy(scene, "10.1.2.2", "a");
    writeBy(scene, "10.1.2.3", " a\r\neth1\n");
    expect(await of(directory, owner("a", "eth1"))).toEqual(["10.1.2.2", "10.1.2.3"]);
    await directory.locked("leave", (held) => held.release(owner("a", "eth1")));
    expect(scene.files()).toEqual({ "10.1.2.2": "a" });
    await directory.locked("leave", (held) => held.release(owner("a", "eth1")));
    expect(scene.files()).toEqual({});
  });

  test("what is no address is left alone", async () => {
    using scene = newScene();
    const directory = scene.open();
    mkdirSync(join(scene.path, "10.1.2.9.d"), { recursive: true });
    for (const name of ["notes", "last_reserved_ip.7", "2001:DB8::1"])
      writeFileSync(join(scene.path, name), "a\r\neth0");
    expect(await directory.locked("make", (held) => held.count)).toBe(0);
    expect(await of(directory, owner("a"))).toEqual([]);
  });

  test("a network without a directory has nothing to give back, and gets none by that", async () => {
    using scene = newScene();
    expect(await scene.open().locked("leave", (held) => held.release(owner("a")))).toBeUndefined();
    expect(() => statSync(scene.path)).toThrow("ENOENT");
  });
});

describe("the index", () => {
  /** What somebody may do between two calls of ours, a new process each time. */
  const act = fc.record({
    who: fc.constantFrom(
      "ours",
      "theirs",
      "theirs-replace",
      "drop-index",
      "cut-index",
      "reboot",
      "same-time",
    ),
    isRelease: fc.boolean(),
    last: fc.integer({ min: 2, max: 12 }),
    container: fc.constantFrom("a", "b", "c"),
  });

  test("never says otherwise than the files, whoever changed them and however it was hurt", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 30 }), async (acts) => {
        using scene = newScene();
        let boot = 0;
        for (const { who, isRelease, last, container } of acts) {
          const address = `10.0.0.${last}`;
          const text = `${container}\r\neth0`;
          const directory = scene.open({ bootId: `boot ${boot}` });
          const isFree = scene.files()[address] === undefined;
          if (who === "ours" && isRelease)
            await directory.locked("make", (held) => held.release(owner(container)));
          else if (who === "ours") expect(await reserve(directory, address, owner(container))).toBe(isFree);
          else if (who === "theirs" && isRelease && !isFree) unlinkSync(join(scene.path, address));
          else if (who === "theirs" && !isRelease && isFree) writeBy(scene, address, text);
          else if (who === "theirs-replace" && !isFree) {
            unlinkSync(join(scene.path, address));
            writeBy(scene, address, text);
          } else if (who === "drop-index") for (const path of scene.indexes()) unlinkSync(path);
          else if (who === "cut-index") for (const path of scene.indexes()) truncateSync(path, last * 999);
          else if (who === "reboot") boot++;
          const after = scene.open({ bootId: `boot ${boot}` });
          const files = scene.files();
          for (let host = 2; host <= 12; host++)
            expect(await isTaken(after, `10.0.0.${host}`)).toBe(files[`10.0.0.${host}`] !== undefined);
          for (const id of ["a", "b", "c"]) {
            const expected = Object.keys(files).filter((name) => files[name] === `${id}\r\neth0`);
            expect(await of(after, owner(id))).toEqual(expected.sort());
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  test("finds all of an owner, also a file that was another's and has the inode still", async () => {
    using scene = newScene();
    await reserve(scene.open(), "10.0.0.2", owner("a"));
    await reserve(scene.open(), "10.0.0.9", owner("c"));
    // As a file system does that gives the same number to the next file.
    writeFileSync(join(scene.path, "10.0.0.9"), "a\r\neth0");
    writeBy(scene, "10.0.0.12", "b\r\neth0");
    expect(await of(scene.open(), owner("a"))).toEqual(["10.0.0.2", "10.0.0.9"]);
    await scene.open().locked("leave", (held) => held.release(owner("a")));
    expect(scene.files()).toEqual({ "10.0.0.12": "b\r\neth0" });
  });

  test("is where the answers come from: files that nobody changed are not read again", async () => {
    using scene = newScene();
    for (let host = 2; host < 200; host++) writeBy(scene, `10.0.0.${host}`, `c${host}\r\neth0`);
    await of(scene.open(), owner("c5"));
    const reads: string[] = [];
    const libc = libcThatTells((path) => reads.push(path));
    expect(await isTaken(scene.open({ libc }), "10.0.0.77")).toBe(true);
    expect(await of(scene.open({ libc }), owner("c5"))).toEqual(["10.0.0.5"]);
    expect(reads.filter((path) => path.startsWith(scene.path) && /10\.0\.0/.test(path))).toEqual([
      `${scene.path}/10.0.0.5`,
    ]);
    writeBy(scene, "10.0.0.1", "new\r\neth0");
    reads.length = 0;
    expect(await isTaken(scene.open({ libc }), "10.0.0.1")).toBe(true);
    expect(reads.filter((path) => /10\.0\.0/.test(path))).toEqual([`${scene.path}/10.0.0.1`]);
  });

  test("is done without where it cannot be written", async () => {
    using scene = newScene();
    mkdirSync(join(scene.stateDir, ".."), { recursive: true });
    writeFileSync(scene.stateDir, "a file where a folder should be");
    const directory = () => scene.open();
    expect(await reserve(directory(), "10.0.0.2", owner("a"))).toBe(true);
    expect(await of(directory(), owner("a"))).toEqual(["10.0.0.2"]);
    await directory().locked("leave", (held) => held.release(owner("a")));
    expect(scene.files()).toEqual({});
    rmSync(scene.stateDir);
  });
});

describe("an index that is none", () => {
  test("whatever has its name, the files count", async () => {
    using scene = newScene();
    expect(await reserve(scene.open(), "10.0.0.2", owner("a"))).toBe(true);
    const folder = join(scene.stateDir, "host-local");
    const [index = ""] = readdirSync(folder);
    rmSync(join(folder, index));
    mkdirSync(join(folder, index));
    expect(await of(scene.open(), owner("a"))).toEqual(["10.0.0.2"]);
    expect(await reserve(scene.open(), "10.0.0.3", owner("b"))).toBe(true);
    await scene.open().locked("leave", (held) => held.release(owner("a")));
    expect(scene.files()).toEqual({ "10.0.0.3": "b\r\neth0" });
  });
});

describe("the lock", () => {
  test("is waited for, and whoever waits gets a turn", async () => {
    using scene = newScene();
    await reserve(scene.open(), "10.0.0.2", owner("a"));
    const taken = await Promise.all(
      Array.from({ length: 20 }, (_, i) => reserve(scene.open(), "10.0.0.3", owner(`c${i}`))),
    );
    expect(taken.filter((one) => one)).toHaveLength(1);
  });

  test("that somebody keeps is told after 30 s, with its path", async () => {
    using scene = newScene();
    await reserve(scene.open(), "10.0.0.2", owner("a"));
    let now = 0;
    const patient = scene.open({ clock: () => (now += 5_000), pause: async () => undefined });
    const flock = Bun.spawn(["flock", join(scene.path, "lock"), "sh", "-c", "echo held; read _"], {
      stdin: "pipe",
      stdout: "pipe",
    });
    try {
      await flock.stdout.getReader().read();
      await expect(reserve(patient, "10.0.0.4", owner("b"))).rejects.toMatchObject({
        code: "timeout",
        message: `another program has held ${scene.path}/lock for more than 30 s`,
      });
    } finally {
      flock.stdin.end();
      await flock.exited;
    }
  });
});
