import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { EP_1, NET_A, NET_B } from "../daemon/admin.fixture.ts";
import { SCHEMAS } from "../daemon/api.ts";
import { openStore } from "../store/sqlite.ts";
import { newHost } from "./cli.fixture.ts";
import { EXIT } from "./exit.ts";

const host = newHost();
const bare = newHost();
await host.writeRecords();
afterAll(async () => {
  await host.close();
  await bare.close();
});

const missing = `daemon is not running: there is no ${host.runDir}/underlay.sock`;
const notice = `underlay: ${missing}; this is what the records in ${host.stateDir} say\n`;

test("networks and endpoints are shown from the records, and stderr says so", async () => {
  const { code, out, err } = await host.run("network ls --noheading");
  expect([code, err]).toEqual([EXIT.done, notice]);
  expect(out).toMatch(/^1758a0b1c2d3 {2}macvlan {2}eth0 {2}bridge {2}192.168.7.0\/24 {2}1 {2}active {2}/);
  expect((await host.run("endpoint ls -q")).out).toBe(`${EP_1.slice(0, 12)}\n`);
  expect((await host.run("endpoint inspect e1")).out).toContain("192.168.7.9/24");
  expect((await host.run("network inspect 1758a")).out).toContain("endpoint  e1aa0000c2d3");
});

test("JSON is of the same schemas; whether a network is healthy is not known; the notice is JSON too", async () => {
  const { out, err } = await host.run("network ls -o json");
  const { networks } = v.parse(SCHEMAS["underlay.networks/v1"], JSON.parse(out));
  expect(networks.map(({ id, healthy }) => [id, healthy])).toEqual([
    [NET_A, null],
    [NET_B, null],
  ]);
  expect(JSON.parse(err).warning.code).toBe("unreachable");
  v.parse(
    SCHEMAS["underlay.network/v1"],
    JSON.parse((await host.run(`network inspect ${NET_B} -o json`)).out),
  );
});

test("status shows the records and exits with 3", async () => {
  const { code, out } = await host.run("status");
  expect(code).toBe(EXIT.unreachable);
  expect(out).toBe(
    [
      "daemon     not running",
      "networks   2",
      "endpoints  1, 1 with a link",
      "parent     eth0: networks 1, endpoints 1",
      "parent     eth9: networks 1, endpoints 0",
      "problems   unknown",
      "",
    ].join("\n"),
  );
  const json = await host.run("status -o json");
  expect(v.parse(SCHEMAS["underlay.status/v1"], JSON.parse(json.out)).daemon).toBeNull();
  expect(json.code).toBe(EXIT.unreachable);
});

test("an unknown id is still not found", async () => {
  expect((await host.run("network inspect beef")).code).toBe(EXIT.notFound);
});

test("gc needs the daemon", async () => {
  expect(await host.run("gc --dry-run")).toEqual({
    code: EXIT.unreachable,
    out: "",
    err: `underlay: ${missing}\ntry: underlay daemon\n`,
  });
});

test("without records only the daemon's absence is told, and no database is made", async () => {
  for (const line of ["status", "network ls"]) {
    const { code, out, err } = await bare.run(line);
    expect([code, out]).toEqual([EXIT.unreachable, ""]);
    expect(err).toStartWith("underlay: daemon is not running: ");
  }
  expect(existsSync(bare.stateDir)).toBe(false);
});

test("reading works while somebody has the database open for writing", async () => {
  const writer = openStore(host.stateDir);
  expect((await host.run("network ls -q")).code).toBe(EXIT.done);
  writer.close();
});

test("a database that is none is a clear error", async () => {
  const other = newHost();
  mkdirSync(other.stateDir, { mode: 0o700 });
  await Bun.write(join(other.stateDir, "underlay.db"), "x".repeat(5000));
  const { code, err } = await other.run("network ls");
  await other.close();
  expect(code).toBe(EXIT.failed);
  expect(err).toContain("is not a database");
});
