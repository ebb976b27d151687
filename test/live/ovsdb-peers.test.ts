import { beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Ovsdb, openOvsdb } from "../../src/ovsdb/client.ts";
import { type Json, Splitter } from "../../src/ovsdb/json.ts";
import { insert } from "../../src/ovsdb/operation.ts";
import { schemas } from "../../src/ovsdb/schema.golden.ts";
import { isOutcomeUnknown } from "../../src/ovsdb/session.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import { must } from "../ground/run.ts";
import { until } from "../ground/until.ts";

// Servers that misbehave, over real sockets; and the real server over TCP.

type Peer = Bun.Socket<undefined>;

interface Request {
  readonly id: Json;
  readonly method: Json;
}

/** A server on a unix socket, whose every connection is played by a script. */
function listen(onRequest: (peer: Peer, request: Request) => void): { readonly path: string } & Disposable {
  const folder = mkdtempSync(join(tmpdir(), "ovsdb-"));
  const path = join(folder, "db.sock");
  const server = Bun.listen({
    unix: path,
    socket: {
      data: (peer: Peer, bytes) => {
        for (const { id = null, method = null } of new Splitter().push(bytes))
          onRequest(peer, { id, method });
      },
      error: () => undefined,
    },
  });
  return {
    path,
    [Symbol.dispose]() {
      server.stop(true);
      rmSync(folder, { recursive: true });
    },
  };
}

const SCHEMA = (id: Json) => `{"id":${id},"result":${schemas.oldest},"error":null}`;
const ROW = '[{"uuid":["uuid","0b000000-0000-4000-8000-000000000001"]}]';

/** Answers for the schema, then plays. */
function peerThat(play: (peer: Peer, request: Request) => void) {
  return listen((peer, request) => {
    if (request.method === "get_schema") peer.write(SCHEMA(request.id));
    else if (request.id !== null) play(peer, request);
  });
}

const clientOf = (path: string, patience = 5_000): Promise<Ovsdb> =>
  openOvsdb({ target: { kind: "unix", path }, patience });
const write = [insert("QoS", { type: "x" })] as const;

async function failureOf(
  promise: Promise<unknown>,
): Promise<{ code: string; message: string; unknown: boolean }> {
  const thrown = await promise.then(
    (answer) => ({ code: "none", message: JSON.stringify(answer) }),
    (error: { code: string; message: string }) => error,
  );
  return { code: thrown.code, message: thrown.message, unknown: isOutcomeUnknown(thrown) };
}

describe("a server that", () => {
  test("answers late is waited for as long as the caller has patience", async () => {
    using server = peerThat(async (peer, { id }) => {
      await Bun.sleep(150);
      peer.write(`{"id":${id},"result":${ROW},"error":null}`);
    });
    using ovsdb = await clientOf(server.path);
    expect(await ovsdb.transact(write)).toHaveLength(1);
    expect(await failureOf(ovsdb.transact(write, { patience: 50 }))).toMatchObject({
      code: "timeout",
      unknown: true,
    });
    // The late answer to what was given up disturbs nobody.
    expect(await ovsdb.transact(write)).toHaveLength(1);
  });

  test("sends its answer byte by byte", async () => {
    using server = peerThat(async (peer, { id }) => {
      for (const byte of new TextEncoder().encode(`{"id":${id},"result":${ROW},"error":null}`)) {
        peer.write(new Uint8Array([byte]));
        peer.flush();
        await Bun.sleep(0);
      }
    });
    using ovsdb = await clientOf(server.path);
    expect(await ovsdb.transact(write)).toHaveLength(1);
  });

  test.each([
    ["closes when it is asked", (peer: Peer) => void peer.end(), "the server closed it"],
    [
      "closes in the middle of its answer",
      (peer: Peer) => {
        peer.write('{"id":2,"res');
        peer.end();
      },
      "the server closed it",
    ],
    [
      "answers with garbage",
      (peer: Peer) => void peer.write("no such thing\n"),
      "sends a message that is not OVSDB",
    ],
    [
      "answers with half of a message that is none",
      (peer: Peer) => void peer.write('{"id":}'),
      "is not OVSDB",
    ],
  ])("%s leaves the outcome unknown, and says what it did", async (_name, play, message) => {
    using server = peerThat(play);
    using ovsdb = await clientOf(server.path);
    const failure = await failureOf(ovsdb.transact(write));
    expect(failure).toMatchObject({ code: "unreachable", unknown: true });
    expect(failure.message).toContain(message);
    expect(failure.message).toContain(server.path);
    expect(ovsdb.state.isUp).toBe(false);
  });

  test("closes at once, or never says anything, is not connected to", async () => {
    using closing = listen((peer) => void peer.end());
    expect(await failureOf(clientOf(closing.path))).toMatchObject({ code: "unreachable" });
    using silent = listen(() => undefined);
    expect(await failureOf(clientOf(silent.path, 100))).toMatchObject({
      code: "timeout",
      message: "no answer to get_schema within 100 ms",
    });
  });

  test("is not there", async () => {
    const path = "/run/no-such-ovs/db.sock";
    expect(await failureOf(clientOf(path))).toMatchObject({
      code: "unreachable",
      message: `no ovsdb-server answers on unix:${path} (ENOENT): is openvswitch-switch installed and running?`,
    });
    const gone = listen(() => undefined);
    gone[Symbol.dispose]();
    expect(await failureOf(clientOf(gone.path))).toMatchObject({ code: "unreachable" });
    const refusing = openOvsdb({ target: { kind: "tcp", host: "127.0.0.1", port: 1 } });
    expect(await failureOf(refusing)).toMatchObject({
      code: "unreachable",
      message: "no ovsdb-server answers on tcp:127.0.0.1:1 (ECONNREFUSED): is ovsdb-server running?",
    });
  });
});

describe.each([...AGES])("over TCP, %s Open vSwitch", (age) => {
  const things = disposedAfterAll();
  let ovs: Switch;
  const fixture = resolve(import.meta.dir, "ovsdb-tcp.fixture.ts");

  beforeAll(async () => {
    ovs = things.use(await startSwitch({ age }));
    await ovs.vsctl("add-br", "br0", "--", "set", "Bridge", "br0", "datapath_type=netdev");
    await ovs.vsctl("set-manager", "ptcp:6640:127.0.0.1", "ptcp:6641:[::1]");
    // 5 s unless set; then a connection is closed after twice as long.
    for (const target of ["ptcp:6640:127.0.0.1", "ptcp:6641:[::1]"])
      await ovs.vsctl("set", "Manager", target, "inactivity_probe=1000");
    await until(
      "both are listened on",
      async () => (await ovs.host.must(["ss", "-Hltn"])).split("\n").length === 2,
    );
  }, 600_000);

  const client = async (target: string, silence = 0) => {
    const enter = ["nsenter", `--net=${ovs.netns}`, process.execPath, fixture, target, String(silence)];
    return JSON.parse(await must(enter));
  };

  test.each([["tcp:127.0.0.1:6640"], ["tcp:[::1]:6641"], ["tcp:localhost:6640"]])("%s", async (target) => {
    expect(await client(target)).toMatchObject({ before: ["br0"], after: ["br0"] });
  });

  test("the server's probes are answered", async () => {
    const { asked, isUp, after } = await client("tcp:127.0.0.1:6640", 5_000);
    expect([isUp, after]).toEqual([true, ["br0"]]);
    // 3.1 asks each second, 4.0 a little less often.
    expect(asked.filter((method: string) => method === "echo").length).toBeGreaterThanOrEqual(2);
  });

  test("a client that does not answer the probe is put out, so it is our answer that keeps the others", async () => {
    const mute = "exec 3<>/dev/tcp/127.0.0.1/6640; timeout 10 cat <&3";
    const started = performance.now();
    const heard = await ovs.host.must(["bash", "-c", mute]);
    expect(heard).toBe('{"id":"echo","method":"echo","params":[]}');
    expect(performance.now() - started).toBeGreaterThan(1_900);
  });
});
