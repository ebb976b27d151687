import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { SCHEMAS } from "../../src/daemon/api.ts";
import { linkPlugins } from "../ground/cni.ts";
import { addParent, openTestNetns, type TestNetns } from "../ground/netns.ts";
import { run } from "../ground/run.ts";

/** `underlay cni check` in a netns with parents of every kind: what it says, and that it leaves nothing. */

const PROGRAM = resolve(import.meta.dir, "../../dist/underlay");
const SEED = resolve(import.meta.dir, "net.d/20-lannet.conf");

let host: TestNetns;
let folder = "";
beforeEach(() => {
  host = openTestNetns();
  folder = mkdtempSync(join(tmpdir(), "underlay-cni-check-"));
  linkPlugins(join(folder, "bin"));
  addParent(host, "eth0");
});
afterEach(() => {
  host[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

async function check(path: string) {
  const argv = [PROGRAM, "cni", "check", path, "--bin-dir", join(folder, "bin"), "-o", "json"];
  const { code, stdout, stderr } = await run(["nsenter", `--net=${host.path}`, ...argv]);
  expect(stderr).toBe("");
  return { code, ...v.parse(SCHEMAS["underlay.cni-check/v1"], JSON.parse(stdout)) };
}

function conf(more: object): string {
  const path = join(folder, "10.conf");
  const ipam = { type: "static", addresses: [{ address: "192.0.2.9/24" }] };
  writeFileSync(
    path,
    JSON.stringify({ cniVersion: "1.0.0", name: "n", type: "macvlan", master: "eth0", ipam, ...more }),
  );
  return path;
}

const names = () => host.ipJson("link", "show").map(({ ifname }) => ifname);

test("the configuration that all began with has nothing against it", async () => {
  const before = names();
  const { code, findings, plugins } = await check(SEED);
  expect([code, findings]).toEqual([0, []]);
  expect(plugins.map(({ type, ours, path }) => [type, ours, path])).toEqual([
    ["macvlan", "yes", join(folder, "bin/macvlan")],
    ["host-local", "yes", join(folder, "bin/host-local")],
  ]);
  expect(plugins[0]?.link).toEqual({
    ...{ kind: "macvlan", mode: "bridge", parent: "eth0" },
    ...{ in_container: false, mtu: null },
  });
  expect(names()).toEqual(before);
});

test("a parent that is a port of a bridge", async () => {
  host.ip("link", "add", "br0", "type", "bridge");
  host.ip("link", "set", "eth0", "master", "br0");
  const { code, findings } = await check(conf({}));
  expect([code, findings.map(({ id }) => id)]).toEqual([8, ["UL-P06"]]);
});

test("a passthru beside another one, and an MTU that does not fit", async () => {
  host.ip("link", "add", "mv0", "link", "eth0", "type", "macvlan", "mode", "bridge");
  const passthru = await check(conf({ mode: "passthru" }));
  expect(passthru.findings.map(({ id }) => id)).toEqual(["UL-P08"]);
  const wide = await check(conf({ mtu: 9000 }));
  expect([wide.code, wide.findings.map(({ id }) => id)]).toEqual([8, ["UL-P12"]]);
});

test("the link of the default route, and none", async () => {
  const master = conf({ master: "" });
  expect((await check(master)).findings.map(({ id }) => id)).toEqual(["UL-P01"]);
  host.ip("address", "add", "192.0.2.1/24", "dev", "eth0");
  host.ip("route", "add", "default", "via", "192.0.2.254");
  expect(await check(master)).toMatchObject({
    code: 0,
    findings: [],
    plugins: [{ link: { parent: "auto" } }, {}],
  });
});

test("a kind that this kernel has not, by the kernel's own word", async () => {
  const has =
    (
      await run([
        "nsenter",
        `--net=${host.path}`,
        "ip",
        "link",
        "add",
        "iv0",
        "link",
        "eth0",
        "type",
        "ipvlan",
      ])
    ).code === 0;
  const { findings } = await check(conf({ type: "ipvlan" }));
  expect(findings.map(({ id }) => id)).toEqual(has ? [] : ["UL-K01"]);
});
