import { expect, test } from "bun:test";
import { missingKind, openVswitch } from "../conditions/host.fixture.ts";
import { silentLog } from "../lib/log.ts";
import type { SwitchFacts } from "../lib/switch-facts.ts";
import type { Files } from "../links/host/read.ts";
import { hostWatch } from "./host.ts";

const QEMU = { "/sys/class/dmi/id/sys_vendor": "QEMU" };

/** Read anew at each look. `texts`: of what is there. */
const filesOf = (texts: Readonly<Record<string, string>>): Files => ({
  text: (path) => texts[path],
  exists: (path) => path === "/run/systemd/system",
  inode: () => undefined,
});

const parts = { pid: 7, dockerSocket: "/run/docker.sock", networks: () => 0, kinds: async () => [] };

test("the daemon's own look at its host, with the kinds asked for once", async () => {
  let asked = 0;
  let networks = 0;
  const watch = hostWatch({
    ...parts,
    files: filesOf(QEMU),
    kinds: async () => {
      asked++;
      return [missingKind("dummy", "dummy")];
    },
    networks: () => networks,
    log: silentLog,
  });
  const ids = () => watch.findings()?.map(({ id }) => id);
  expect(ids()).toBeUndefined();
  await watch.look();
  expect(ids()).toEqual(["UL-H04", "UL-K01"]);
  networks = 1;
  await watch.look();
  expect(ids()).toEqual(["UL-H04", "UL-R03", "UL-K01"]);
  expect(asked).toBe(1);
});

test("a switch that networks are on is looked at each time", async () => {
  let ovs: SwitchFacts | undefined = openVswitch({ database: { dead: "nobody listens" } });
  const watch = hostWatch({ ...parts, files: filesOf({}), ovs: async () => ovs, log: silentLog });
  const messages = () => watch.findings()?.map(({ message }) => message);
  await watch.look();
  expect(messages()).toContain("ovsdb-server does not answer");
  ovs = openVswitch();
  await watch.look();
  expect(messages()).not.toContain("ovsdb-server does not answer");
});

test("each finding is logged when it begins and when it has ended, and its numbers in between are not", async () => {
  const texts: Record<string, string> = { "/proc/sys/net/ipv4/neigh/default/gc_thresh3": "1000" };
  const logged: (readonly unknown[])[] = [];
  const watch = hostWatch({ ...parts, files: filesOf(texts), log: (...line) => void logged.push(line) });
  const lookAt = async (entries: number) => {
    texts["/proc/net/stat/arp_cache"] = `entries table_fulls\n${entries.toString(16)} 00000000\n`;
    await watch.look();
    return logged.splice(0);
  };
  const of = { id: "UL-S01", subject: "host" };
  const nearly = "the IPv4 neighbour table, which holds 1000, is nearly full";
  const full = "the IPv4 neighbour table is full: it holds 1000 and no more";

  expect(await lookAt(699)).toEqual([]);
  expect(await lookAt(700)).toEqual([["warn", `condition begins: ${nearly}`, of]]);
  expect(await lookAt(999)).toEqual([]);
  expect(await lookAt(1000)).toEqual([
    ["warn", `condition begins: ${full}`, of],
    ["info", `condition ended: ${nearly}`, of],
  ]);
  Object.assign(texts, QEMU);
  expect(await lookAt(5)).toEqual([
    ["warn", expect.stringMatching(/^condition begins: a KVM host/), { id: "UL-H04", subject: "KVM" }],
    ["info", `condition ended: ${full}`, of],
  ]);
});
