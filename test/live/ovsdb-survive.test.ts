import { beforeAll, describe, expect, test } from "bun:test";
import { keepOvsdb, type Ovsdb, openOvsdb } from "../../src/ovsdb/client.ts";
import {
  assertLock,
  comment,
  insert,
  mutate,
  named,
  remove,
  select,
  update,
} from "../../src/ovsdb/operation.ts";
import { isOutcomeUnknown } from "../../src/ovsdb/session.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import { until } from "../ground/until.ts";

// A client that lives long: replicas, locks, and servers that are killed under it.

describe.each([...AGES])("a lasting client, %s Open vSwitch", (age) => {
  const things = disposedAfterAll();
  let ovs: Switch;
  let ovsdb: Ovsdb;
  const clientOf = () => ({ target: { kind: "unix", path: ovs.socket }, patience: 10_000 }) as const;

  beforeAll(async () => {
    ovs = things.use(await startSwitch({ age }));
    ovsdb = things.use(keepOvsdb(clientOf()));
    await ovs.vsctl("add-br", "br0", "--", "set", "Bridge", "br0", "datapath_type=netdev");
  }, 600_000);

  const br0 = [["name", "==", "br0"]] as const;
  const mark = (value: string) =>
    mutate(
      "Bridge",
      br0,
      [
        ["external_ids", "delete keys", ["mark"]],
        ["external_ids", "insert", { mark: value }],
      ],
      "some",
    );
  const isUp = () => until("the client is connected", () => ovsdb.state.isUp);

  test("a replica has what others change, and our own change before it is answered", async () => {
    await using replica = await ovsdb.replica({
      Bridge: ["name", "external_ids"],
      Port: ["name", "tag", "trunks"],
    });
    const marked = () => [...replica.rows("Bridge").values()].map((row) => row.external_ids.get("mark"));
    const ports = () =>
      [...replica.rows("Port").values()].map(({ name, tag, trunks }) => ({ name, tag, trunks }));
    await ovsdb.transact([mark("ours")]);
    expect(marked()).toEqual(["ours"]);
    await ovs.vsctl("set", "Bridge", "br0", "external_ids:mark=theirs");
    await until("the mark is theirs", () => marked()[0] === "theirs");
    await ovs.vsctl("--no-wait", "add-port", "br0", "p1", "tag=3", "trunks=1,2,3");
    await until("the port is there", () => ports().length === 2);
    await ovs.vsctl("--no-wait", "set", "Port", "p1", "trunks=2,3,4", "tag=[]");
    await until("the port is changed", () =>
      ports().some(({ tag, trunks }) => tag === undefined && trunks.includes(4)),
    );
    expect(
      ports()
        .find(({ name }) => name === "p1")
        ?.trunks.toSorted(),
    ).toEqual([2, 3, 4]);
    await ovs.vsctl("--no-wait", "del-port", "p1");
    await until("the port is gone", () => ports().length === 1);
  });

  test("a lock is had by one at a time, waits in a queue, and can be stolen", async () => {
    using other = await openOvsdb(clientOf());
    const ours = await ovsdb.lock("turn");
    const theirs = await other.lock("turn");
    expect([ours.isHeld, theirs.isHeld]).toEqual([true, false]);
    await ovsdb.transact([assertLock("turn"), comment("in turn")]);
    await expect(other.transact([assertLock("turn")])).rejects.toThrow("not owner");
    await ours[Symbol.asyncDispose]();
    await until("the other has it", () => theirs.isHeld);
    const stolen = await ovsdb.lock("turn", "steal");
    expect(stolen.isHeld).toBe(true);
    await until("the other has lost it", () => !theirs.isHeld);
    await expect(other.transact([assertLock("turn")])).rejects.toThrow("not owner");
    await stolen[Symbol.asyncDispose]();
    await until("the other has it again", () => theirs.isHeld);
  });

  test("an ovsdb-server that is killed and comes back: replicas, locks and calls go on", async () => {
    await using replica = await ovsdb.replica({ Bridge: ["name", "external_ids"] });
    await using lock = await ovsdb.lock("lasting");
    await ovsdb.transact([mark("before")]);
    await ovs.killDatabase();
    await until("the loss is told", () => !ovsdb.state.isUp);
    expect([replica.isCurrent, lock.isHeld]).toEqual([false, false]);
    // Sent into the gap; done when the server is back.
    const waiting = ovsdb.transact([mark("after")]);
    await ovs.startDatabase();
    expect(await waiting).toEqual([1]);
    expect([replica.isCurrent, lock.isHeld]).toEqual([true, true]);
    expect([...replica.rows("Bridge").values()].map((row) => row.external_ids.get("mark"))).toEqual([
      "after",
    ]);
    expect(await ovs.vsctl("get", "Bridge", "br0", "external_ids:mark")).toBe("after");
  });

  test("killed under load: what was answered is there, and of the rest it is said that nobody knows", async () => {
    await isUp();
    const answered: number[] = [];
    const unknown: number[] = [];
    const writes = Array.from({ length: 400 }, async (_, i) => {
      try {
        await ovsdb.transact([insert("Queue", { external_ids: { load: String(i) } })], { patience: 20_000 });
        answered.push(i);
      } catch (thrown) {
        expect(isOutcomeUnknown(thrown)).toBe(true);
        unknown.push(i);
      }
    });
    await until("the first is done", () => answered.length > 0, { everyMs: 1 });
    await ovs.killDatabase();
    await ovs.startDatabase();
    await Promise.all(writes);
    const [rows] = await ovsdb.transact([select("Queue", [], ["external_ids"])]);
    const found = rows.map((row) => Number(row.external_ids.get("load")));
    expect(answered.length + unknown.length).toBe(400);
    expect(unknown).not.toEqual([]);
    expect(answered.filter((i) => !found.includes(i))).toEqual([]);
    // Never sent twice.
    expect(new Set(found).size).toBe(found.length);
    await ovsdb.transact([remove("Queue", [], "any")]);
  });

  test("an ovs-vswitchd that is killed: it is said, the change is made, and applied when it comes back", async () => {
    await isUp();
    await ovs.killVswitchd();
    const face = named("face");
    const port = named("port");
    const thrown = await ovsdb
      .applied(
        [
          insert("Interface", { name: "late", type: "internal" }, face),
          insert("Port", { name: "late", interfaces: [face] }, port),
          mutate("Bridge", br0, [["ports", "insert", [port]]], "some"),
        ],
        [],
        { patience: 300 },
      )
      .catch((error: unknown) => error);
    expect(String(thrown)).toContain(
      "ovs-vswitchd has not applied the change within 300 ms: it is not running, or it hangs",
    );
    expect(await ovs.vsctl("--no-wait", "list-ports", "br0")).toBe("late");
    const applied = ovsdb.applied([], [select("Interface", [["name", "==", "late"]], ["ofport", "error"])]);
    // What waits in the server holds up nobody else on the same connection.
    expect(await ovsdb.transact([select("Bridge", br0, ["name"])])).toMatchObject([[{ name: "br0" }]]);
    await ovs.startVswitchd();
    const { after } = await applied;
    expect(after[0][0]).toMatchObject({ error: undefined });
    expect(after[0][0]?.ofport).toBeGreaterThan(0);
  });

  test("both killed while a change is waited for", async () => {
    await isUp();
    await ovs.killVswitchd();
    const applied = ovsdb.applied([update("Port", [["name", "==", "late"]], { tag: 9 }, "some")], [], {
      patience: 20_000,
    });
    await until(
      "the change is made",
      async () => (await ovs.vsctl("--no-wait", "get", "Port", "late", "tag")) === "9",
    );
    await ovs.killDatabase();
    await ovs.startDatabase();
    await ovs.startVswitchd();
    expect(await applied).toEqual({ done: [1], after: [] });
  });

  test("megabytes go both ways", async () => {
    await isUp();
    const text = 'é\\"\n{}[]'.repeat(400_000);
    const [id] = await ovsdb.transact([insert("Queue", { external_ids: { text } })]);
    const [[row]] = await ovsdb.transact([select("Queue", [["_uuid", "==", id]], ["external_ids"])]);
    expect(row?.external_ids.get("text")).toBe(text);
    await ovsdb.transact([remove("Queue", [["_uuid", "==", id]], "some")]);
  });
});
