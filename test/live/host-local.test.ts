import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VERSIONS } from "../../src/cni/versions.ts";
import { HOST_LOCAL_STEPS } from "../../src/store/host-local/steps.ts";
import { type Attachment, type CniHost, type CniVerb, cniHost, linkPlugins } from "../ground/cni.ts";
import { referencePlugins } from "../ground/reference-cni.ts";
import { must } from "../ground/run.ts";

/**
 * host-local as the built program, in directories that the reference plugin of Debian works in as well: each honours and
 * gives back what the other reserved, whatever dies when.
 */

let reference: string;
let bin: string;
let folder: string;
let path: string;
beforeAll(async () => {
  reference = await referencePlugins();
  bin = mkdtempSync(join(tmpdir(), "underlay-hloc-bin-"));
  linkPlugins(bin, ["host-local"]);
}, 600_000);
afterAll(() => rmSync(bin, { recursive: true, force: true }));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "underlay-hloc-"));
  path = join(folder, "networks/lannet");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const ours = (env: Record<string, string> = {}) =>
  cniHost({ folders: [bin], env: { UNDERLAY_STATE_DIR: join(folder, "state"), ...env } });
const theirs = () => cniHost({ folders: [reference] });
const conf = (more: object = {}, cniVersion = "1.1.0") => ({
  cniVersion,
  name: "lannet",
  type: "host-local",
  ipam: {
    type: "host-local",
    dataDir: join(folder, "networks"),
    ranges: [[{ subnet: "10.1.2.0/24" }]],
    ...more,
  },
});
const at = (containerId: string): Attachment => ({ containerId, netns: "/some/where", ifname: "eth0" });
const add = async (host: CniHost, id: string, more: object = {}) =>
  (await host.add(conf(more), at(id))).ips?.map(({ address }) => address);

/** What is reserved, by address. */
function reserved(): Record<string, string> {
  mkdirSync(path, { recursive: true });
  const names = readdirSync(path).filter((name) => /^[0-9a-f:.]+$/.test(name));
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(path, name), "utf8")]));
}

describe.each(VERSIONS.map((version) => [version] as const))("%s", (version) => {
  test("files appear with ADD and vanish with DEL; a second ADD of the same is an error", async () => {
    const given = conf({ ranges: [[{ subnet: "10.1.2.0/24" }], [{ subnet: "2001:db8:1::/64" }]] }, version);
    const result = await ours().add(given, at("dummy"));
    expect(result.cniVersion).toBe(version);
    expect(reserved()).toEqual({ "10.1.2.2": "dummy\r\neth0", "2001:db8:1::2": "dummy\r\neth0" });
    await expect(ours().add(given, at("dummy"))).rejects.toThrow("duplicate allocation is not allowed");
    await ours().add(given, at("dummy1"));
    expect(Object.keys(reserved())).toEqual(["10.1.2.2", "10.1.2.3", "2001:db8:1::2", "2001:db8:1::3"]);
    await ours().del(given, at("dummy"));
    await ours().del(given, at("dummy"));
    await ours().del(given, at("unknown"));
    await ours().del(given, at("dummy1"));
    expect(reserved()).toEqual({});
    writeFileSync(join(path, "10.1.2.9"), "dummy");
    await ours().del(given, at("dummy"));
    expect(reserved()).toEqual({});
  });
});

test("each honours, checks and gives back what the other reserved", async () => {
  const [us, them] = [ours(), theirs()];
  expect(await add(us, "a")).toEqual(["10.1.2.2/24"]);
  expect(await add(them, "b")).toEqual(["10.1.2.3/24"]);
  expect(await add(us, "c")).toEqual(["10.1.2.4/24"]);
  expect(await add(them, "d")).toEqual(["10.1.2.5/24"]);
  await expect(add(them, "a")).rejects.toThrow("10.1.2.2 has been allocated to a, duplicate allocation");
  await expect(add(us, "b")).rejects.toThrow("10.1.2.3 has been allocated to b, duplicate allocation");
  const prev = { ...conf(), prevResult: { cniVersion: "1.1.0", ips: [] } };
  for (const id of ["a", "b", "c", "d"]) for (const host of [us, them]) await host.check(prev, at(id));
  for (const [host, id] of [
    [them, "a"],
    [us, "b"],
    [them, "c"],
    [us, "d"],
  ] as const)
    await host.del(conf(), at(id));
  expect(reserved()).toEqual({});
  await expect(us.check(prev, at("b"))).rejects.toThrow("Failed to find address added by container b");
  expect(await add(us, "e")).toEqual(["10.1.2.6/24"]);
});

test("GC takes what nobody has, whoever reserved it; STATUS tells of a pool that is used up", async () => {
  const pool = { ranges: [[{ subnet: "10.1.2.0/29", rangeEnd: "10.1.2.3" }]] };
  await ours().status(conf(pool));
  await add(theirs(), "a", pool);
  await add(ours(), "b", pool);
  await expect(ours().status(conf(pool))).rejects.toMatchObject({ code: 50 });
  await expect(add(ours(), "c", pool)).rejects.toThrow(
    "failed to allocate for range 0: no IP addresses available in range set: 10.1.2.1-10.1.2.3",
  );
  await ours().gc(conf(pool));
  expect(Object.keys(reserved())).toHaveLength(2);
  await ours().gc(conf(pool), [{ containerId: "b", ifname: "eth0" }]);
  expect(reserved()).toEqual({ "10.1.2.3": "b\r\neth0" });
  await ours().status(conf(pool));
});

describe("a pool that is used up", () => {
  const pool = { ranges: [[{ subnet: "10.1.2.0/30" }]] };
  const addIn = (host: CniHost, id: string, netns: string) => host.add(conf(pool), { ...at(id), netns });

  /** A process in a netns of its own, until it is disposed of. */
  async function inhabited(): Promise<{ path: string } & AsyncDisposable> {
    const child = Bun.spawn(["unshare", "--net", "sh", "-c", "echo in; exec cat"], {
      stdin: "pipe",
      stdout: "pipe",
    });
    await child.stdout.getReader().read();
    return {
      path: `/proc/${child.pid}/ns/net`,
      async [Symbol.asyncDispose]() {
        child.stdin.end();
        await child.exited;
      },
    };
  }

  test("gives what is of a netns that is gone, when we reserved it, and of no other", async () => {
    {
      await using alive = await inhabited();
      await addIn(ours(), "a", alive.path);
      await expect(add(ours(), "b", pool)).rejects.toThrow("no IP addresses available");
    }
    expect(await add(ours(), "b", pool)).toEqual(["10.1.2.2/30"]);
    expect(reserved()).toEqual({ "10.1.2.2": "b\r\neth0" });
    // Of a path that led to no netns nothing is known.
    await expect(add(ours(), "c", pool)).rejects.toThrow("no IP addresses available");
  });

  test("keeps what is of a netns that is mounted somewhere, with nobody in it", async () => {
    const name = join(folder, "named");
    writeFileSync(name, "");
    {
      await using alive = await inhabited();
      await must(["mount", "--bind", alive.path, name]);
    }
    try {
      await addIn(ours(), "a", name);
      await expect(add(ours(), "b", pool)).rejects.toThrow("no IP addresses available");
    } finally {
      await must(["umount", name]);
    }
    expect(await add(ours(), "b", pool)).toEqual(["10.1.2.2/30"]);
  });

  test("keeps what the reference reserved, whatever became of it", async () => {
    {
      await using alive = await inhabited();
      await addIn(theirs(), "a", alive.path);
    }
    await expect(add(ours(), "b", pool)).rejects.toThrow("no IP addresses available");
  });
});

describe.each(HOST_LOCAL_STEPS.map((step) => [step] as const))("killed at %s", (step) => {
  const dying = () => ours({ UNDERLAY_FAULT: `${step}:kill` });
  const attempt = (work: Promise<unknown>) => work.catch(() => undefined);

  test("no address is lost, and none is had twice", async () => {
    await add(ours(), "before");
    await attempt(add(dying(), "a"));
    await add(theirs(), "b");
    await add(ours(), "c");
    const owners = Object.values(reserved());
    expect(new Set(owners).size).toBe(owners.length);
    expect(owners).not.toContain("");
    await attempt(dying().del(conf(), at("before")));
    for (const id of ["a", "before", "b"]) await ours().del(conf(), at(id));
    expect(Object.values(reserved())).toEqual(["c\r\neth0"]);
    expect(readdirSync(path).filter((name) => name.startsWith("."))).toEqual([]);
  });
});

test("where nothing can be written beside the files, they are enough", async () => {
  const blind = () => ours({ UNDERLAY_STATE_DIR: "/proc/none" });
  expect(await add(blind(), "a")).toEqual(["10.1.2.2/24"]);
  expect(await add(blind(), "b")).toEqual(["10.1.2.3/24"]);
  await blind().del(conf(), at("a"));
  expect(reserved()).toEqual({ "10.1.2.3": "b\r\neth0" });
});

describe("a disk", () => {
  const disk = () => join(folder, "networks");
  beforeEach(async () => {
    mkdirSync(disk());
    await must(["mount", "-t", "tmpfs", "-o", "size=64k", "underlay-hloc", disk()]);
  });
  afterEach(async () => void (await must(["umount", disk()])));
  const env = () => ({ UNDERLAY_STATE_DIR: join(disk(), "state") });

  test("that is full: an ADD fails and leaves nothing, a DEL gives back", async () => {
    await add(ours(env()), "a");
    const before = reserved();
    const fill = () => writeFileSync(join(disk(), "filler"), Buffer.alloc(1 << 20));
    expect(fill).toThrow("ENOSPC");
    await expect(add(ours(env()), "b")).rejects.toThrow("ENOSPC");
    expect(reserved()).toEqual(before);
    await ours(env()).del(conf(), at("a"));
    expect(reserved()).toEqual({});
    rmSync(join(disk(), "filler"));
    expect(await add(ours(env()), "b")).toHaveLength(1);
  });

  test("that is read-only: an ADD says so, a DEL too when there is something to give back", async () => {
    await add(ours(env()), "a");
    await must(["mount", "-o", "remount,ro", disk()]);
    await expect(add(ours(env()), "b")).rejects.toThrow("EROFS");
    await expect(ours(env()).del(conf(), at("a"))).rejects.toThrow("EROFS");
    await must(["mount", "-o", "remount,rw", disk()]);
    await ours(env()).del(conf(), at("a"));
    expect(reserved()).toEqual({});
  });
});

describe("many at a time, both plugins, killed at random", () => {
  const WORKERS = 8;
  const ROUNDS = 24;

  /** One process; undefined when it was killed. */
  async function process(folderOf: string, verb: CniVerb, id: string, killAfter?: number) {
    const child = Bun.spawn([join(folderOf, "host-local")], {
      stdin: new Blob([JSON.stringify(conf())]),
      stdout: "pipe",
      stderr: "pipe",
      env: {
        CNI_COMMAND: verb,
        CNI_CONTAINERID: id,
        CNI_NETNS: "/some/where",
        CNI_IFNAME: "eth0",
        CNI_PATH: folderOf,
        UNDERLAY_STATE_DIR: join(folder, "state"),
      },
    });
    const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfter);
    const stdout = await new Response(child.stdout).text();
    const code = await child.exited;
    clearTimeout(timer);
    if (child.signalCode === "SIGKILL") return undefined;
    if (code !== 0) throw new Error(`${verb} ${id} by ${folderOf}: ${stdout}`);
    return stdout;
  }

  test("no address twice, none lost", async () => {
    const held = new Map<string, string>();
    const twice: string[] = [];
    let killed = 0;
    async function worker(n: number): Promise<void> {
      for (let round = 0; round < ROUNDS; round++) {
        const pick = (n * 31 + round * 17) % 7;
        const [first, second] = pick % 2 === 0 ? [bin, reference] : [reference, bin];
        const id = `w${n}r${round}`;
        const killAfter = pick === 3 || pick === 4 ? 1 + ((n * 5 + round * 3) % 9) : undefined;
        const stdout = await process(first, "ADD", id, killAfter);
        const address: string | undefined =
          stdout === undefined ? undefined : JSON.parse(stdout).ips[0].address;
        if (address !== undefined) {
          const other = held.get(address);
          if (other !== undefined) twice.push(`${address}: ${other} and ${id}`);
          held.set(address, id);
        } else killed++;
        // Some stay, as containers do.
        if (address !== undefined && pick === 6) continue;
        if (address !== undefined) held.delete(address);
        const gone = await process(second, "DEL", id, pick === 5 ? 2 + (round % 5) : undefined);
        if (gone === undefined) {
          killed++;
          await process(first, "DEL", id);
        }
      }
    }
    await Promise.all(Array.from({ length: WORKERS }, (_, n) => worker(n)));
    expect(twice).toEqual([]);
    expect(killed).toBeGreaterThan(0);
    const left = reserved();
    const stayed = Object.fromEntries(
      [...held].map(([address, id]) => [address.slice(0, -3), `${id}\r\neth0`]),
    );
    // The reference makes its file first and fills it then: of one that was killed in between nobody knows the owner.
    const known = Object.fromEntries(Object.entries(left).filter(([, owner]) => owner !== ""));
    expect(known).toEqual(stayed);
    const valid = [...held.values()].map((containerId) => ({ containerId, ifname: "eth0" }));
    await ours().gc(conf(), valid);
    expect(reserved()).toEqual(stayed);
    expect(statSync(path).isDirectory()).toBe(true);
  }, 120_000);
});
