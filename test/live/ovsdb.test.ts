import { beforeAll, describe, expect, test } from "bun:test";
import { type Ovsdb, openOvsdb } from "../../src/ovsdb/client.ts";
import type { NamedUuid } from "../../src/ovsdb/datum.ts";
import {
  assertRows,
  comment,
  insert,
  mutate,
  named,
  type Operation,
  overwrite,
  remove,
  select,
  update,
} from "../../src/ovsdb/operation.ts";
import { ovsdbErrorOf } from "../../src/ovsdb/outcome.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";

// Transactions against both ages of Open vSwitch; `ovs-vsctl` is the judge of what is in the database.

const face = named("face");
const port = named("port");
const bridge = named("bridge");

/** A bridge of the userspace datapath, with its local port. */
function newBridge(name: string): readonly Operation<unknown>[] {
  return [
    insert("Interface", { name, type: "internal" }, face),
    insert("Port", { name, interfaces: [face] }, port),
    insert("Bridge", { name, datapath_type: "netdev", ports: [port] }, bridge),
    mutate("Open_vSwitch", [], [["bridges", "insert", [bridge]]], "some"),
  ];
}

function newPort(name: string, on: string): readonly Operation<unknown>[] {
  return [
    insert("Interface", { name, type: "internal" }, face),
    insert("Port", { name, interfaces: [face], tag: 100 }, port),
    mutate("Bridge", [["name", "==", on]], [["ports", "insert", [port]]], "some"),
  ];
}

describe.each([...AGES])("transactions, %s Open vSwitch", (age) => {
  const things = disposedAfterAll();
  let ovs: Switch;
  let ovsdb: Ovsdb;

  beforeAll(async () => {
    ovs = things.use(await startSwitch({ age }));
    ovsdb = things.use(await openOvsdb({ target: { kind: "unix", path: ovs.socket } }));
    await ovsdb.applied(newBridge("br0"), []);
  }, 600_000);

  const failure = async (...operations: Operation<unknown>[]) => {
    const outcome = await ovsdb.transact(operations).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(outcome).toBeInstanceOf(Error);
    return outcome;
  };
  const count = async (table: string) =>
    (await ovs.vsctl("--columns=_uuid", "list", table)).split("\n").length;

  test("a port is there for ovs-vsctl, applied, with the number that ovs-vswitchd gave it", async () => {
    const find = select("Interface", [["name", "==", "p1"]], ["ofport", "error", "type"]);
    const { after } = await ovsdb.applied(newPort("p1", "br0"), [find]);
    const [[row]] = after;
    expect(row).toMatchObject({ error: undefined, type: "internal" });
    expect(String(row?.ofport)).toBe(await ovs.vsctl("get", "Interface", "p1", "ofport"));
    expect(await ovs.vsctl("list-ports", "br0")).toBe("p1");
    expect(await ovs.vsctl("get", "Port", "p1", "tag")).toBe("100");
  });

  test("a row that is demanded and is not there undoes the rest", async () => {
    const before = await count("Interface");
    const thrown = await failure(...newPort("p2", "nowhere"));
    expect(thrown).toMatchObject({ code: "not_found" });
    expect(String(thrown)).toContain(
      "mutate Bridge where name == nowhere: there is no such row; nothing was done",
    );
    expect(await count("Interface")).toBe(before);
    expect(await ovsdb.transact([remove("Port", [["name", "==", "none"]], "any")])).toEqual([0]);
  });

  test("a name that is taken is found in the extra element", async () => {
    const thrown = await failure(...newBridge("br0"));
    expect(thrown).toMatchObject({ code: "conflict" });
    expect(ovsdbErrorOf(thrown)).toBe("constraint violation");
    expect(await ovs.vsctl("list-br")).toBe("br0");
  });

  const refused: readonly (readonly [string, Operation<unknown>, string, string])[] = [
    [
      "a reference to nothing",
      insert("Port", { name: "x", interfaces: [named("nobody")] }),
      "conflict",
      "referential integrity violation",
    ],
    [
      "a port without an interface",
      insert("Port", { name: "x", interfaces: [] }),
      "internal",
      "syntax error",
    ],
    [
      "a row that is referred to",
      remove("Bridge", [["name", "==", "br0"]], "some"),
      "conflict",
      "referential integrity violation",
    ],
    [
      "a column that cannot be changed",
      update("Bridge", [["name", "==", "br0"]], { name: "br1" }, "some"),
      "conflict",
      "constraint violation",
    ],
    [
      "a value out of range",
      update("Port", [["name", "==", "br0"]], { tag: 4096 }, "some"),
      "conflict",
      "constraint violation",
    ],
    [
      "an assertion that does not hold",
      assertRows({
        table: "Bridge",
        where: [["name", "==", "br0"]],
        columns: ["datapath_type"],
        until: "==",
        rows: [{ datapath_type: "system" }],
      }),
      "conflict",
      "timed out",
    ],
  ];
  test.each(refused)("%s is refused", async (_name, operation, code, error) => {
    const thrown = await failure(operation);
    expect(thrown).toMatchObject({ code });
    expect(ovsdbErrorOf(thrown)).toBe(error);
  });

  test("what comes after a failed operation is not done, nor what came before", async () => {
    const key = (value: string) =>
      mutate("Bridge", [["name", "==", "br0"]], overwrite("Bridge", "external_ids", { key: value }), "some");
    await failure(
      key("before"),
      update("Port", [["name", "==", "br0"]], { tag: 4096 }, "some"),
      key("after"),
    );
    expect(await ovs.vsctl("get", "Bridge", "br0", "external_ids")).toBe("{}");
  });

  test("a map's pairs are overwritten, and others stay", async () => {
    const where = [["name", "==", "br0"]] as const;
    await ovs.vsctl("set", "Bridge", "br0", "external_ids:a=1", "external_ids:b=2");
    const insertAlone = mutate("Bridge", where, [["external_ids", "insert", { a: "3" }]], "some");
    await ovsdb.transact([insertAlone]);
    expect(await ovs.vsctl("get", "Bridge", "br0", "external_ids")).toBe('{a="1", b="2"}');
    const pairs = overwrite("Bridge", "external_ids", { a: "3", "k e:y=": 'v"é\n' });
    await ovsdb.transact([mutate("Bridge", where, pairs, "some"), comment("a test")]);
    const [[row]] = await ovsdb.transact([select("Bridge", where, ["external_ids"])]);
    expect(row?.external_ids).toEqual(
      new Map([
        ["a", "3"],
        ["b", "2"],
        ["k e:y=", 'v"é\n'],
      ]),
    );
    const keys = [["external_ids", "delete keys", ["a", "b", "k e:y=", "not there"]]] as const;
    await ovsdb.transact([mutate("Bridge", where, keys, "some")]);
    expect(await ovs.vsctl("get", "Bridge", "br0", "external_ids")).toBe("{}");
  });

  test("a row can name another that is made in the same transaction", async () => {
    const queue: NamedUuid = named("queue");
    const [queueId, qosId] = await ovsdb.transact([
      insert("Queue", { other_config: { "max-rate": "1000000" } }, queue),
      insert("QoS", { type: "linux-htb", queues: new Map([[0, queue]]), external_ids: { owner: "test" } }),
    ]);
    expect(await ovs.vsctl("get", "QoS", qosId, "queues")).toBe(`{0=${queueId}}`);
    const mine = [["external_ids", "includes", { owner: "test" }]] as const;
    const [[row]] = await ovsdb.transact([select("QoS", mine, ["queues", "type"])]);
    expect(row).toEqual({ _uuid: qosId, type: "linux-htb", queues: new Map([[0, queueId]]) });
    await ovsdb.transact([
      remove("QoS", [["_uuid", "==", qosId]], "some"),
      remove("Queue", [["_uuid", "==", queueId]], "some"),
    ]);
  });

  test("counters are right beyond 2 GB and beyond 2^53", async () => {
    const p1 = [["name", "==", "p1"]] as const;
    // ovs-vswitchd writes its own every 5 s otherwise.
    await ovs.vsctl("set", "Open_vSwitch", ".", "other_config:stats-update-interval=600000");
    for (const value of [2n ** 31n, 2n ** 53n + 1n, 2n ** 63n - 1n]) {
      await ovs.vsctl("--no-wait", "set", "Interface", "p1", `statistics:rx_bytes=${value}`);
      const [[row]] = await ovsdb.transact([select("Interface", p1, ["statistics"])]);
      expect(row?.statistics.get("rx_bytes")).toBe(value);
      await ovsdb.transact([update("Interface", p1, { ingress_policing_burst: value - 1n }, "some")]);
      expect(await ovs.vsctl("get", "Interface", "p1", "ingress_policing_burst")).toBe(String(value - 1n));
    }
  });

  test("a column that this server lacks is read as unset, and cannot be written", async () => {
    const mirror = [insert("Mirror", { name: "m", filter: "tcp" })] as const;
    const isNewer = age === "newest";
    expect(await ovsdb.has("Mirror", "filter")).toBe(isNewer);
    expect(await ovsdb.transact([select("Mirror", [], ["name", "filter"])])).toEqual([[]]);
    if (isNewer) await ovsdb.transact(mirror);
    else
      expect(await failure(...mirror)).toMatchObject({
        code: "unsupported",
        message: "this Open vSwitch (database schema 8.3.1) has no column Mirror.filter",
      });
  });
});
