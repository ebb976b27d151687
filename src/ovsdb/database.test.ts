import { describe, expect, test } from "bun:test";
import { type ManualClock, manualClock } from "../lib/clock.fixture.ts";
import { keepOvsdb, type LinkState, type Ovsdb, openOvsdb } from "./client.ts";
import { insert, select } from "./operation.ts";
import { schemas } from "./schema.golden.ts";
import { type FakeServer, fakeServer, settled } from "./server.fixture.ts";
import { isOutcomeUnknown } from "./session.ts";

const SCHEMA = JSON.parse(schemas.oldest);
const target = { kind: "unix", path: "/run/ovs.sock" } as const;
const write = [insert("QoS", { type: "x" })] as const;
const read = [select("QoS", [], ["type"])] as const;
const NEW_ROW = [{ uuid: ["uuid", "0b000000-0000-4000-8000-000000000001"] }];

interface Ground {
  readonly clock: ManualClock;
  readonly server: FakeServer;
  readonly ovsdb: Ovsdb;
  readonly states: LinkState[];
  /** Lets time go by, in steps, and everything happen that falls due. */
  pass(milliseconds: number): Promise<void>;
}

/** `random`: in the middle of its range unless told, so that pauses are just 1, 2, 4, 8 s. */
async function keep(random = () => 0.5): Promise<Ground> {
  const clock = manualClock();
  const server = fakeServer(SCHEMA);
  const ovsdb = keepOvsdb({ target, clock, open: server.open, random });
  const states: LinkState[] = [];
  ovsdb.onState((state) => states.push(state));
  await settled();
  return {
    ...{ clock, server, ovsdb, states },
    pass: async (milliseconds) => {
      for (let left = milliseconds; left > 0; left -= 250) {
        clock.pass(Math.min(250, left));
        await settled();
      }
    },
  };
}

/** The error, or undefined while there is neither error nor answer. */
function outcomeOf(promise: Promise<unknown>): { failure?: unknown; answer?: unknown } {
  const outcome: { failure?: unknown; answer?: unknown } = {};
  promise.then(
    (answer) => {
      outcome.answer = answer;
    },
    (failure: unknown) => {
      outcome.failure = failure;
    },
  );
  return outcome;
}

const methodsOf = (server: FakeServer) =>
  server.last.heard.map((message) => message["method"] ?? message["id"]);

describe("a connection", () => {
  test("answers what the server asks, and asks for an echo when nothing is heard", async () => {
    const { server, pass } = await keep();
    server.last.send({ method: "echo", params: [1], id: "echo" });
    expect(server.last.heard.at(-1)).toEqual({ id: "echo", result: [1], error: null });
    await pass(4_750);
    expect(server.last.heard).toHaveLength(1);
    await pass(250);
    expect(server.last.heard.at(-1)).toEqual({ method: "echo", params: [], id: "probe" });
    server.last.send({ id: "probe", result: [], error: null });
    await pass(4_750);
    expect(server.last.heard).toHaveLength(2);
    expect(server.last.isOpen).toBe(true);
  });

  test("is dead when nothing is heard for 10 s", async () => {
    const { server, pass, states } = await keep();
    await pass(9_750);
    expect(server.last.isOpen).toBe(true);
    await pass(250);
    expect(server.lives[0]?.isOpen).toBe(false);
    expect(states.at(-1)).toMatchObject({
      isUp: false,
      error: { message: "ovsdb at unix:/run/ovs.sock: nothing was heard for 10000 ms" },
    });
  });

  test("that sends garbage is ended, and the garbage is told", async () => {
    const { server, states } = await keep();
    const [first] = server.lives;
    server.last.sendText("HTTP/1.1 400");
    expect(first?.isOpen).toBe(false);
    expect(states.at(-1)).toMatchObject({
      isUp: false,
      error: {
        code: "unreachable",
        message:
          'ovsdb at unix:/run/ovs.sock: it sends a message that is not OVSDB: it begins with "HTTP/1.1 400"',
      },
    });
  });

  test.each([
    ['{"result":[],"error":null}'],
    ['{"id":{},"result":[]}'],
    ['{"id":2,"error":null}'],
    ['{"id":null,"method":"update","params":{}}'],
  ])("that sends %s does not speak OVSDB", async (text) => {
    const { server, ovsdb } = await keep();
    const outcome = outcomeOf(ovsdb.transact(write));
    await settled();
    server.last.sendText(text);
    await settled();
    expect(outcome.failure).toMatchObject({ code: "unreachable" });
    expect(String(outcome.failure)).toContain("does not speak OVSDB");
  });

  test("answers in any order, and what nobody waits for any more is dropped", async () => {
    const { server, ovsdb, pass } = await keep();
    const first = outcomeOf(ovsdb.transact(write, { patience: 100 }));
    const second = outcomeOf(ovsdb.transact(write));
    await settled();
    const [one, two] = server.last.heard;
    server.last.send({ id: two?.["id"] ?? null, result: NEW_ROW, error: null });
    await pass(100);
    expect(second.answer).toEqual(["0b000000-0000-4000-8000-000000000001"]);
    expect(first.failure).toMatchObject({ code: "timeout" });
    expect(isOutcomeUnknown(first.failure)).toBe(true);
    expect(String(first.failure)).toContain(
      "no answer to transact within 100 ms; whether the transaction was done is not known",
    );
    expect(server.last.heard.at(-1)).toEqual({ method: "cancel", params: [one?.["id"] ?? null], id: null });
    server.last.send({ id: one?.["id"] ?? null, result: null, error: "canceled" });
    expect(server.last.isOpen).toBe(true);
  });

  test("refused by an error that is a text alone", async () => {
    const { server, ovsdb } = await keep();
    const outcome = outcomeOf(ovsdb.lock("x"));
    await settled();
    server.last.send({ id: server.last.heard.at(-1)?.["id"] ?? null, error: "unknown method" });
    await settled();
    expect(outcome.failure).toMatchObject({
      code: "unsupported",
      message: "ovsdb refuses lock: unknown method",
    });
  });
});

describe("a client that keeps its connection", () => {
  test("tries again after 1, 2, 4, 8, 8 s, and from 1 s again after a success", async () => {
    const { server, pass, states } = await keep();
    server.refuse("refused");
    server.last.end();
    const downs = () => states.filter(({ isUp }) => !isUp).length;
    for (const pause of [1, 2, 4, 8, 8]) {
      const before = downs();
      await pass(pause * 1000 - 250);
      expect(downs()).toBe(before);
      await pass(250);
      expect(downs()).toBe(before + 1);
    }
    server.refuse("no more");
    await pass(8_000);
    expect(states.at(-1)).toEqual({ isUp: true });
    server.last.end();
    await settled();
    await pass(1_000);
    expect(states.at(-1)).toEqual({ isUp: true });
    expect(server.lives).toHaveLength(3);
  });

  test("does not come back at the same moment as others", async () => {
    const pauses = await Promise.all(
      [0, 0.999].map(async (dice) => {
        const { server, pass, clock } = await keep(() => dice);
        server.last.end();
        while (server.lives.length === 1) await pass(50);
        return clock.now();
      }),
    );
    expect(pauses).toEqual([750, 1250]);
  });

  test("waits for the connection with what was not sent yet, as long as its caller does, and tries more often then", async () => {
    const { server, ovsdb, pass, states } = await keep();
    server.refuse("refused");
    server.last.end();
    // Tries at 1, 3 and 7 s; the next would be at 15.
    for (const pause of [1, 2, 4]) await pass(pause * 1000);
    const downs = () => states.filter(({ isUp }) => !isUp).length;
    const before = downs();
    const short = outcomeOf(ovsdb.transact(write, { patience: 500 }));
    const long = outcomeOf(ovsdb.transact(write, { patience: 3_000 }));
    for (let i = 0; i < 2; i++) await pass(250);
    expect([downs() - before, String(short.failure)]).toEqual([2, "UnderlayError: internal error: refused"]);
    expect(isOutcomeUnknown(short.failure)).toBe(false);
    server.refuse("no more");
    await pass(250);
    server.last.reply(NEW_ROW);
    await settled();
    expect(long.answer).toHaveLength(1);
  });

  test("never sends twice what writes, and what only reads is sent again", async () => {
    const { server, ovsdb, pass } = await keep();
    const writing = outcomeOf(ovsdb.transact(write));
    const reading = outcomeOf(ovsdb.transact(read));
    await settled();
    expect(methodsOf(server)).toEqual(["transact", "transact"]);
    server.last.end();
    await pass(1_000);
    expect(writing.failure).toMatchObject({
      code: "unreachable",
      message:
        "ovsdb at unix:/run/ovs.sock: the server closed it; whether the transaction was done is not known",
    });
    expect(isOutcomeUnknown(writing.failure)).toBe(true);
    expect(methodsOf(server)).toEqual(["transact"]);
    server.last.reply([{ rows: [] }]);
    await settled();
    expect(reading.answer).toEqual([[]]);
  });

  test("gives up a connection that is not made within its patience", async () => {
    const { server, pass, states } = await keep();
    server.refuse("hangs");
    server.last.end();
    await pass(6_000);
    expect(states.at(-1)).toMatchObject({
      error: { code: "timeout", message: "no connection to ovsdb at unix:/run/ovs.sock within 5000 ms" },
    });
  });

  test("fills its replicas again, and tells what differs", async () => {
    const { server, ovsdb, pass } = await keep();
    const id = "0b000000-0000-4000-8000-00000000000";
    server.answer("monitor_cond_since", () => [
      false,
      "x",
      { QoS: { [`${id}1`]: { initial: { type: "a" } }, [`${id}2`]: { initial: {} } } },
    ]);
    const replica = await ovsdb.replica({ QoS: ["type"] });
    const told: unknown[] = [];
    replica.subscribe((changes) =>
      told.push(...changes.map(({ before, after }) => [before?.type, after?.type])),
    );
    server.answer("monitor_cond_since", () => [
      false,
      "x",
      { QoS: { [`${id}1`]: { initial: { type: "b" } }, [`${id}3`]: { initial: { type: "c" } } } },
    ]);
    server.last.end();
    expect(replica.isCurrent).toBe(false);
    expect(replica.rows("QoS").size).toBe(2);
    await pass(1_000);
    expect(replica.isCurrent).toBe(true);
    expect(told).toEqual([
      ["", undefined],
      ["a", "b"],
      [undefined, "c"],
    ]);
    server.last.send({
      id: null,
      method: "update3",
      params: ["m1", "x", { QoS: { [`${id}3`]: { modify: { type: "d" } } } }],
    });
    expect(told.at(-1)).toEqual(["c", "d"]);
  });

  test("is lost when somebody who listens throws, and says who", async () => {
    const { server, ovsdb, states, pass } = await keep();
    server.answer("monitor_cond_since", () => [false, "x", {}]);
    const replica = await ovsdb.replica({ QoS: ["type"] });
    const takeBack = replica.subscribe(() => {
      throw new Error("a bug of the listener");
    });
    const rows = { QoS: { "0b000000-0000-4000-8000-000000000001": { insert: {} } } };
    server.last.send({ id: null, method: "update3", params: ["m1", "x", rows] });
    expect(states.at(-1)).toMatchObject({ isUp: false, error: { code: "internal" } });
    expect(String(Object.values(states.at(-1) ?? {})[1])).toContain("a bug of the listener");
    takeBack();
    await pass(1_000);
    expect(replica.isCurrent).toBe(true);
    expect(replica.rows("QoS").size).toBe(0);
  });

  test("follows by the older ways when the server does not know the newest", async () => {
    const { server, ovsdb } = await keep();
    const opening = ovsdb.replica({ QoS: ["type"] });
    for (const [method, answer] of [
      ["monitor_cond_since", undefined],
      ["monitor_cond", undefined],
      ["monitor", {}],
    ] as const) {
      await settled();
      const { id = null, method: heard } = server.last.heard.at(-1) ?? {};
      expect(heard).toBe(method);
      server.last.send(
        answer === undefined ? { id, error: "unknown method" } : { id, result: answer, error: null },
      );
    }
    const replica = await opening;
    server.last.send({
      id: null,
      method: "update",
      params: ["m1", { QoS: { "0b000000-0000-4000-8000-000000000001": { new: { type: "x" } } } }],
    });
    expect([...replica.rows("QoS").values()]).toMatchObject([{ type: "x" }]);
  });

  test("asks for its locks again, and tells what becomes of them", async () => {
    const { server, ovsdb, pass } = await keep();
    const asking = ovsdb.lock("one", "steal");
    await settled();
    expect(server.last.heard.at(-1)).toMatchObject({ method: "steal", params: ["one"] });
    server.last.reply({ locked: false });
    const lock = await asking;
    const told: boolean[] = [];
    lock.subscribe((isHeld) => told.push(isHeld));
    server.last.send({ id: null, method: "locked", params: ["one"] });
    expect(lock.isHeld).toBe(true);
    server.last.send({ id: null, method: "stolen", params: ["one"] });
    server.last.send({ id: null, method: "locked", params: ["one"] });
    server.last.end();
    expect(told).toEqual([true, false, true, false]);
    await pass(1_000);
    // What was stolen once is not stolen again and again.
    expect(server.last.heard.at(-1)).toMatchObject({ method: "lock", params: ["one"] });
    server.last.reply({ locked: true });
    await settled();
    expect(lock.isHeld).toBe(true);
  });

  test("that is closed leaves nothing to be called later", async () => {
    const { server, ovsdb, clock } = await keep();
    const outcome = outcomeOf(ovsdb.transact(write));
    await settled();
    ovsdb[Symbol.dispose]();
    await settled();
    expect(outcome.failure).toMatchObject({ code: "unreachable" });
    expect(server.last.isOpen).toBe(false);
    expect(clock.pending()).toBe(0);
    expect(outcomeOf(ovsdb.transact(read))).toEqual({});
    await expect(ovsdb.transact(read)).rejects.toThrow("the connection was closed");
  });
});

describe("applied", () => {
  const root = (next: number) => [
    {},
    { count: 1 },
    { rows: [{ next_cfg: next, _uuid: ["uuid", "0b000000-0000-4000-8000-000000000009"] }] },
  ];

  test("raises next_cfg with the change, and waits for cur_cfg", async () => {
    const { server, ovsdb } = await keep();
    const outcome = outcomeOf(ovsdb.applied(write, read));
    await settled();
    expect(server.last.heard.at(-1)).toMatchObject({
      params: [
        "Open_vSwitch",
        { op: "insert", table: "QoS" },
        { op: "wait" },
        { op: "mutate", table: "Open_vSwitch", mutations: [["next_cfg", "+=", 1]] },
        { op: "select", columns: ["_uuid", "next_cfg"] },
      ],
    });
    server.last.reply([...NEW_ROW, ...root(7)]);
    await settled();
    const wait = {
      op: "wait",
      table: "Open_vSwitch",
      where: [["cur_cfg", ">=", 7n]],
      columns: ["cur_cfg"],
      until: "!=",
      rows: [],
    };
    expect(server.last.heard.at(-1)).toMatchObject({
      params: ["Open_vSwitch", { ...wait, where: [["cur_cfg", ">=", 7]] }, { op: "select" }],
    });
    server.last.reply([{}, { rows: [] }]);
    await settled();
    expect(outcome.answer).toEqual({ done: ["0b000000-0000-4000-8000-000000000001"], after: [[]] });
  });

  test("says that ovs-vswitchd does not follow, and that the change is made", async () => {
    const { server, ovsdb, pass } = await keep();
    const outcome = outcomeOf(ovsdb.applied(write, read, { patience: 2_000 }));
    await settled();
    server.last.reply([...NEW_ROW, ...root(7)]);
    await pass(2_000);
    expect(outcome.failure).toMatchObject({
      code: "timeout",
      message: "ovs-vswitchd has not applied the change within 2000 ms: it is not running, or it hangs",
      inputs: { committed: "yes" },
    });
    expect(isOutcomeUnknown(outcome.failure)).toBe(false);
  });

  test("goes on waiting on the next connection", async () => {
    const { server, ovsdb, pass } = await keep();
    const outcome = outcomeOf(ovsdb.applied(write, read));
    await settled();
    server.last.reply([...NEW_ROW, ...root(7)]);
    await settled();
    server.last.end();
    await pass(1_000);
    expect(server.last.heard).toHaveLength(1);
    server.last.reply([{}, { rows: [] }]);
    await settled();
    expect(outcome.answer).toMatchObject({ after: [[]] });
  });
});

describe("a client of one connection", () => {
  test("has none when the first try fails, and says why", async () => {
    const server = fakeServer(SCHEMA);
    server.refuse("refused");
    await expect(openOvsdb({ target, open: server.open })).rejects.toThrow("refused");
    const other = fakeServer(SCHEMA);
    other.answer("get_schema", () => ({}));
    await expect(openOvsdb({ target, open: other.open })).rejects.toThrow(
      "ovsdb sends a schema that is none",
    );
    expect(other.last.isOpen).toBe(false);
  });

  test("does not come back", async () => {
    const clock = manualClock();
    const server = fakeServer(SCHEMA);
    using ovsdb = await openOvsdb({ target, clock, open: server.open });
    server.last.end();
    expect(clock.pending()).toBe(0);
    await expect(ovsdb.transact(read)).rejects.toThrow("ovsdb at unix:/run/ovs.sock: the server closed it");
  });
});
