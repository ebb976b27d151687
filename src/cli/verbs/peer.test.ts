import { afterAll, expect, test } from "bun:test";
import * as v from "valibot";
import { fakeEngine, NET_A, NET_C } from "../../daemon/admin.fixture.ts";
import { SCHEMAS } from "../../daemon/api.ts";
import { UnderlayError } from "../../lib/errors.ts";
import { newHost } from "../cli.fixture.ts";
import { EXIT } from "../exit.ts";

const host = newHost();
host.startDaemon(fakeEngine({ spans: true }));
afterAll(() => host.close());

async function out(line: string): Promise<string> {
  const { code, out, err } = await host.run(line);
  expect([code, err]).toEqual([EXIT.done, ""]);
  return out.replace(/\b\d+d(\d+h)?\b/g, "AGE").replace(/ult-[a-z2-7]{11}/g, "ult-xxxxxxxxxxx");
}

const lines = (...text: string[]) => text.map((line) => `${line}\n`).join("");

test("peer add, ls and rm", async () => {
  expect(await out("peer add c0ffee 192.0.2.3 192.0.2.2")).toBe(
    lines("192.0.2.3 added", "192.0.2.2 is there already"),
  );
  expect(await out("peer ls")).toBe(
    lines(
      "NETWORK       VNI  ADDRESS    FROM       PORT             TUNNEL               AGE",
      "c0ffee00c2d3  42   192.0.2.2  by option  ult-xxxxxxxxxxx  made                 AGE",
      "c0ffee00c2d3  42   192.0.2.3  learnt     ult-xxxxxxxxxxx  failed: File exists  AGE",
    ),
  );
  expect(await out(`peer ls ${NET_A} --noheading`)).toBe("");
  expect(await out("peer ls -q --sort -address")).toBe(lines("192.0.2.3", "192.0.2.2"));
  expect(await out("peer list -o name -f tunnel=failed -f from=learnt")).toBe("192.0.2.3\n");
  const { peers } = v.parse(SCHEMAS["underlay.peers/v1"], JSON.parse(await out("peer ls c0ffee -o json")));
  expect(peers.map(({ address, state }) => [address, state])).toEqual([
    ["192.0.2.2", "made"],
    ["192.0.2.3", "failed"],
  ]);
  expect(Bun.YAML.parse(await out("peer ls -o yaml"))).toEqual(JSON.parse(await out("peer ls -o json")));

  const inspected = await out(`network inspect ${NET_C}`);
  expect(inspected).toContain("vni       42\n");
  expect(inspected).toContain("peer      192.0.2.2  by option  ult-xxxxxxxxxxx  made\n");
  expect(inspected).toContain("peer      192.0.2.3  learnt  ult-xxxxxxxxxxx  failed: File exists\n");

  expect(await out("peer rm c0ffee 192.0.2.3 192.0.2.9")).toBe(
    lines("192.0.2.3 removed", "192.0.2.9 is no peer of this network"),
  );
  const json: unknown = JSON.parse(await out("peer add c0ffee 192.0.2.4 -o json"));
  expect(v.parse(SCHEMAS["underlay.peer-changes/v1"], json).changes).toHaveLength(1);
});

test("what is missing or wrong is said before anybody is asked", async () => {
  expect((await host.run("peer add c0ffee")).err).toContain(
    "ADDRESS is missing: underlay peer add NETWORK ADDRESS...",
  );
  expect((await host.run("peer rm")).err).toContain("NETWORK is missing");
  const named = await host.run("peer add c0ffee beta gamma");
  expect([named.code, named.err]).toEqual([
    EXIT.usage,
    lines(
      "underlay: 2 problems:",
      '  "beta" is no IP address; peers are given by address, never by name',
      '  "gamma" is no IP address; peers are given by address, never by name',
    ),
  ]);
  expect((await host.run("peer add nowhere 192.0.2.3")).code).toBe(EXIT.notFound);
});

test("a switch that does not answer is told as it is, and no other daemon is asked for", async () => {
  const silent = newHost();
  const engine = fakeEngine({ spans: true });
  const fails = () => Promise.reject(new UnderlayError("unreachable", "ovs-vswitchd has ended"));
  silent.startDaemon({ ...engine, peers: { add: fails, remove: fails } });
  expect(await silent.run("peer add c0ffee 192.0.2.3")).toMatchObject({
    code: EXIT.unreachable,
    err: "underlay: ovs-vswitchd has ended\n",
  });
  await silent.close();
});

test("without a daemon the records are shown, and nothing is changed", async () => {
  const bare = newHost();
  await bare.writeRecords();
  const list = await bare.run("peer ls -o json");
  expect(v.parse(SCHEMAS["underlay.peers/v1"], JSON.parse(list.out)).peers).toEqual([]);
  const { code, err } = await bare.run("peer add 1758a 192.0.2.3");
  expect([code, err]).toEqual([EXIT.unreachable, expect.stringContaining("daemon is not running")]);
  await bare.close();
});
