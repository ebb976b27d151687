import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseRangeSets, type RangeText } from "../ipam/range.ts";
import { formatCidr, formatIp, parseIp } from "../lib/ip.ts";
import { newScene, type Scene } from "../store/host-local/scene.fixture.ts";
import { HOST_LOCAL_STEPS } from "../store/host-local/steps.ts";
import type { AddressRequest } from "./address-source.ts";
import { hostLocalSource } from "./host-local.ts";

const range = (subnet: string, more: Partial<RangeText> = {}): RangeText => ({
  subnet,
  rangeStart: "",
  rangeEnd: "",
  gateway: "",
  ...more,
});
const LAN = [[range("10.1.2.0/24")]];
/** Addresses .2 and .3. */
const TINY = [[range("10.1.2.0/29", { rangeEnd: "10.1.2.3" })]];

type Change = Parameters<Scene["open"]>[0] & { readonly live?: readonly number[] };

function source(
  scene: Scene,
  sets: readonly (readonly RangeText[])[] = LAN,
  { live, ...change }: Change = {},
) {
  return hostLocalSource({
    sets: parseRangeSets(sets),
    directory: scene.open(change),
    liveNetns: async () => live && new Set(live),
  });
}
function request(
  container: string,
  more: Partial<Omit<AddressRequest, "wanted">> & { wanted?: string[] } = {},
) {
  const wanted = (more.wanted ?? []).flatMap((text) => parseIp(text) ?? []);
  return { container, ifname: "eth0", netns: "", repeated: "error", ...more, wanted } as const;
}
const holder = (container: string) => ({ container, ifname: "eth0" });
type Source = ReturnType<typeof source>;
const addresses = async (from: Source, ...given: Parameters<typeof request>) =>
  (await from.allocate(request(...given))).map(({ address }) => formatCidr(address));
const place = (scene: Scene, address: string, text: string) => {
  mkdirSync(scene.path, { recursive: true });
  writeFileSync(join(scene.path, address), text);
};

describe("allocate", () => {
  test("gives one address of each set, with the gateway of its range", async () => {
    using scene = newScene();
    const sets = [[range("10.1.2.0/24"), range("10.2.2.0/24")], [range("2001:db8:1::/64")]];
    const got = await source(scene, sets).allocate(request("dummy"));
    expect(got.map(({ address, gateway }) => [formatCidr(address), gateway && formatIp(gateway)])).toEqual([
      ["10.1.2.2/24", "10.1.2.1"],
      ["2001:db8:1::2/64", "2001:db8:1::1"],
    ]);
    expect(Object.keys(scene.files())).toEqual(["10.1.2.2", "2001:db8:1::2"]);
  });

  test("goes round: what was given back comes last", async () => {
    using scene = newScene();
    const from = source(scene, [[range("192.168.1.0/29")]]);
    const seen: string[] = [];
    for (let i = 0; i < 6; i++) {
      seen.push(...(await addresses(from, "a")));
      await from.release(holder("a"));
    }
    expect(seen.map((text) => text.slice(10, 11))).toEqual(["2", "3", "4", "5", "6", "2"]);
  });

  test("fails when a pool is used up, and gives back what it had of other pools", async () => {
    using scene = newScene();
    const sets = [[range("10.3.0.0/24")], ...TINY];
    const from = source(scene, sets);
    for (const id of ["a", "b"]) await from.allocate(request(id));
    await expect(from.allocate(request("c"))).rejects.toMatchObject({
      code: "conflict",
      message: "failed to allocate for range 1: no IP addresses available in range set: 10.1.2.1-10.1.2.3",
    });
    await from.release(holder("b"));
    expect(await addresses(from, "c")).toEqual(["10.3.0.5/24", "10.1.2.3/29"]);
    expect(Object.values(scene.files())).toEqual(["a\r\neth0", "c\r\neth0", "a\r\neth0", "c\r\neth0"]);
  });

  test.each([
    ["10.1.2.88", ["10.1.2.88/24"]],
    ["10.1.2.2", ["10.1.2.2/24"]],
  ])("of %s that is asked for and free", async (wanted, expected) => {
    using scene = newScene();
    expect(await addresses(source(scene), "a", { wanted: [wanted] })).toEqual(expected);
    expect(readFileSync(join(scene.path, "last_reserved_ip.0"), "utf8")).toBe(wanted);
  });

  test.each([
    [
      ["10.1.2.9"],
      "failed to allocate for range 0: requested IP address 10.1.2.9 is not available in range set 10.1.2.1-10.1.2.254",
    ],
    [["10.1.2.1"], "failed to allocate for range 0: requested ip 10.1.2.1 is subnet's gateway"],
    [["10.1.2.7", "10.1.2.8"], "failed to allocate all requested IPs: 10.1.2.8"],
    [["10.9.9.9"], "failed to allocate all requested IPs: 10.9.9.9"],
  ])("of %p fails and keeps nothing", async (wanted, message) => {
    using scene = newScene();
    const from = source(scene);
    await from.allocate(request("other", { wanted: ["10.1.2.9"] }));
    await expect(from.allocate(request("a", { wanted }))).rejects.toMatchObject({
      code: "conflict",
      message,
    });
    await from.status();
    expect(scene.files()).toEqual({ "10.1.2.9": "other\r\neth0" });
  });
});

describe("a holder that asks again", () => {
  test("is refused where that is a mistake, and another one is served", async () => {
    using scene = newScene();
    const from = source(scene);
    await from.allocate(request("dummy"));
    await expect(from.allocate(request("dummy"))).rejects.toMatchObject({
      code: "conflict",
      message:
        "failed to allocate for range 0: 10.1.2.2 has been allocated to dummy, duplicate allocation is not allowed",
    });
    expect(await addresses(from, "dummy1")).toEqual(["10.1.2.3/24"]);
    expect(Object.keys(scene.files())).toEqual(["10.1.2.2", "10.1.2.3"]);
  });

  test("has its addresses still where an attempt may have died, whoever wrote them", async () => {
    using scene = newScene();
    const sets = [...LAN, [range("2001:db8:1::/64")]];
    place(scene, "10.1.2.77", "a\r\neth0");
    const again = { repeated: "same" } as const;
    const first = await addresses(source(scene, sets), "a", again);
    expect(first).toEqual(["10.1.2.77/24", "2001:db8:1::2/64"]);
    expect(await addresses(source(scene, sets), "a", again)).toEqual(first);
  });

  test("gets the one it asks for now, and the other is free again", async () => {
    using scene = newScene();
    const from = source(scene);
    await from.allocate(request("a", { repeated: "same" }));
    expect(await addresses(from, "a", { repeated: "same", wanted: ["10.1.2.50"] })).toEqual(["10.1.2.50/24"]);
    expect(Object.keys(scene.files())).toEqual(["10.1.2.50"]);
  });
});

describe("what is left over", () => {
  test("of a boot that is over is free, when we wrote it", async () => {
    using scene = newScene();
    place(scene, "10.1.2.3", "theirs\r\neth0");
    await source(scene, TINY).allocate(request("ours"));
    const next = source(scene, TINY, { bootId: "second boot" });
    expect(await addresses(next, "new")).toEqual(["10.1.2.2/29"]);
    expect(scene.files()).toEqual({ "10.1.2.2": "new\r\neth0", "10.1.2.3": "theirs\r\neth0" });
  });

  test("stays its holder's when that comes back after a boot", async () => {
    using scene = newScene();
    await source(scene).allocate(request("a"));
    await source(scene).allocate(request("b"));
    const next = source(scene, LAN, { bootId: "second boot" });
    expect(await addresses(next, "b", { repeated: "same" })).toEqual(["10.1.2.3/24"]);
    expect(scene.files()).toEqual({ "10.1.2.3": "b\r\neth0" });
  });

  test("is not free when another program has written the same since", async () => {
    using scene = newScene();
    await source(scene, TINY).allocate(request("a"));
    unlinkSync(join(scene.path, "10.1.2.2"));
    place(scene, "keeps the inode", "");
    place(scene, "10.1.2.2", "a\r\neth0");
    const next = source(scene, TINY, { bootId: "second boot" });
    expect(await addresses(next, "new")).toEqual(["10.1.2.3/29"]);
  });

  const netns = "/proc/self/ns/net";
  test("of a netns that is gone is free when the pool is used up, and not before", async () => {
    using scene = newScene();
    await source(scene, TINY).allocate(request("dead", { netns }));
    expect(await addresses(source(scene, TINY, { live: [1] }), "b", { netns })).toEqual(["10.1.2.3/29"]);
    const { ino } = statSync(netns);
    await expect(source(scene, TINY, { live: [ino] }).allocate(request("c"))).rejects.toMatchObject({
      code: "conflict",
    });
    await expect(source(scene, TINY).allocate(request("c"))).rejects.toMatchObject({ code: "conflict" });
    await source(scene, TINY, { live: [ino] }).check(holder("dead"));
    expect(await addresses(source(scene, TINY, { live: [1] }), "c")).toEqual(["10.1.2.2/29"]);
    expect(scene.files()).toEqual({ "10.1.2.2": "c\r\neth0" });
  });

  test("by a crash of another program, empty, is free when the pool is used up", async () => {
    using scene = newScene();
    place(scene, "10.1.2.2", "");
    place(scene, "10.1.2.3", "theirs\r\neth0");
    expect(await addresses(source(scene, TINY), "new")).toEqual(["10.1.2.2/29"]);
  });
});

describe("collect", () => {
  test("keeps what is somebody's, by files of old too, and nothing else that is a reservation", async () => {
    using scene = newScene();
    const from = source(scene);
    await from.allocate(request("ours"));
    await from.allocate(request("alive"));
    place(scene, "10.1.2.50", "theirs\r\neth0");
    place(scene, "10.1.2.51", "alive");
    place(scene, "10.1.2.52", "alive\r\neth1");
    place(scene, "10.1.2.53", "");
    place(scene, "10.1.2.54", "dead");
    await from.collect([holder("alive")]);
    expect(Object.keys(scene.files())).toEqual(["10.1.2.3", "10.1.2.51"]);
    expect(readFileSync(join(scene.path, "last_reserved_ip.0"), "utf8")).toBe("10.1.2.3");
  });

  test("of an empty list keeps nothing; when nobody said who is alive it keeps all", async () => {
    using scene = newScene();
    const from = source(scene);
    await from.allocate(request("a"));
    await from.collect(undefined);
    expect(Object.keys(scene.files())).toEqual(["10.1.2.2"]);
    await from.collect([]);
    expect(scene.files()).toEqual({});
  });
});

test("check tells who has an address", async () => {
  using scene = newScene();
  const from = source(scene);
  const missing = {
    code: "not_found",
    message: "host-local: Failed to find address added by container a",
  };
  await expect(from.check(holder("a"))).rejects.toMatchObject(missing);
  await from.allocate(request("a"));
  await from.check(holder("a"));
  unlinkSync(join(scene.path, "10.1.2.2"));
  await expect(source(scene).check(holder("a"))).rejects.toMatchObject(missing);
});

test("status tells when a pool is used up", async () => {
  using scene = newScene();
  const from = source(scene, TINY);
  await from.status();
  for (const id of ["a", "b"]) await from.allocate(request(id));
  await expect(from.status()).rejects.toMatchObject({
    message: "failed to allocate for range 0: no IP addresses available in range set: 10.1.2.1-10.1.2.3",
  });
});

class Killed extends Error {}

describe.each(HOST_LOCAL_STEPS.map((step) => [step]))("a process that dies at %s", (step) => {
  const dying = (scene: Scene) =>
    source(scene, LAN, {
      step: (reached) => {
        if (reached === step) throw new Killed(step);
      },
    });
  const prepared = async () => {
    const scene = newScene();
    await source(scene).allocate(request("before"));
    return scene;
  };
  const attempt = (work: Promise<unknown>) =>
    work.catch((error: unknown) => {
      if (!(error instanceof Killed)) throw error;
    });

  test("while it allocates leaves one address for the same holder, or none", async () => {
    using scene = await prepared();
    await attempt(dying(scene).allocate(request("a")));
    const got = await addresses(source(scene), "a", { repeated: "same" });
    expect(got).toHaveLength(1);
    expect(Object.values(scene.files())).toEqual(["before\r\neth0", "a\r\neth0"]);
    await source(scene).release(holder("a"));
    expect(Object.values(scene.files())).toEqual(["before\r\neth0"]);
  });

  test("leaves what a release or a collection takes away", async () => {
    for (const end of ["release", "collect"] as const) {
      using scene = await prepared();
      await attempt(dying(scene).allocate(request("a")));
      if (end === "release") await source(scene).release(holder("a"));
      else await source(scene).collect([holder("before")]);
      expect(scene.files()).toEqual({ "10.1.2.2": "before\r\neth0" });
    }
  });

  test("while it releases leaves nothing once that is done again", async () => {
    using scene = await prepared();
    await attempt(dying(scene).release(holder("before")));
    await source(scene).release(holder("before"));
    expect(scene.files()).toEqual({});
    expect(await addresses(source(scene), "b")).toEqual(["10.1.2.3/24"]);
  });
});
