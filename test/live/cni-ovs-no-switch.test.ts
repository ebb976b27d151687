import { afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import { type OvsContainer, type OvsScene, openOvsScene } from "./cni-ovs-scene.ts";

/** The plugin ovs where no switch answers, where something else does, or a switch that hangs up. */

interface Passing {
  readonly far: Promise<Bun.Socket<undefined>>;
  readonly isFirst: boolean;
  isCut: boolean;
}

const things = disposedAfterAll();
let ovs: Switch;
let folder = "";
beforeAll(async () => {
  ovs = things.use(await startSwitch({ age: "newest" }));
  folder = mkdtempSync(join(tmpdir(), "cniovs-fake-"));
  things.defer(() => rmSync(folder, { recursive: true }));
}, 600_000);

let scene: OvsScene;
let pod: OvsContainer;
beforeEach(async () => {
  scene = await openOvsScene(ovs);
  pod = scene.container("c1");
});
afterEach(() => scene[Symbol.asyncDispose]());

/** A server that does `open` with each that connects. */
function fake(name: string, open: (socket: Bun.Socket<undefined>) => void) {
  const path = join(folder, name);
  const server = Bun.listen({ unix: path, socket: { open, data: () => undefined } });
  return { path, [Symbol.dispose]: () => server.stop(true) };
}

const RUBBISH: readonly (readonly [string, (socket: Bun.Socket<undefined>) => void])[] = [
  ["garbage", (socket) => void socket.write("220 smtp.example.org\r\n")],
  ["half a message without end", (socket) => void socket.write('{"id":1,"result":{"tables":{'.repeat(3))],
  ["nothing, and closes", (socket) => void socket.end()],
  ["nothing at all", () => undefined],
];

test.each(RUBBISH)("%s: code 11 in time, and nothing is made", async (name, open) => {
  using server = fake(name.replaceAll(/\W/g, ""), open);
  const conf = scene.conf({ socket_file: server.path });
  const begin = performance.now();
  await expect(scene.plugins.add(conf, pod.attachment)).rejects.toMatchObject({ code: 11 });
  expect(performance.now() - begin).toBeLessThan(9000);
  expect([await scene.pairs(), pod.netns.ipJson("link", "show").length]).toEqual([[], 1]);
  await scene.plugins.del(conf, pod.attachment);
});

test.each([
  ["ssl:127.0.0.1:6640", 7, "asks for TLS"],
  ["punix:/run/x.sock", 7, "is what a server listens on"],
  ["/run/underlay-no-such.sock", 11, "is openvswitch-switch installed and running?"],
  ["nonsense", 7, 'socket_file "nonsense" must be unix:PATH or tcp:HOST:PORT'],
])("socket_file %s is code %d: %s", async (socket_file, code, message) => {
  const failure = scene.plugins.add(scene.conf({ socket_file }), pod.attachment);
  await expect(failure).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
});

/** Passes on what the client asks; of the first connection it hangs up in place of the n-th answer. */
function flaky(n: number) {
  const path = join(folder, `flaky${n}`);
  const seen = { connections: 0, requests: 0 };
  const server = Bun.listen<Passing>({
    unix: path,
    socket: {
      open(near) {
        const handlers: Bun.SocketHandler<undefined> = {
          data: (_far, bytes) => void (near.data.isCut || near.write(bytes)),
          close: () => void near.end(),
        };
        const far = Bun.connect({ unix: ovs.socket, socket: handlers, data: undefined });
        near.data = { far, isFirst: seen.connections++ === 0, isCut: false };
      },
      async data(near, bytes) {
        const { far, isFirst } = near.data;
        const copy = bytes.slice();
        if (isFirst) seen.requests += copy.toString().split('"method"').length - 1;
        near.data.isCut = isFirst && seen.requests >= n;
        (await far).write(copy);
        // The server has got it: whether it was done is what the client does not know.
        if (near.data.isCut) setTimeout(() => near.terminate(), 30);
      },
      close: (near) => void near.data.far.then((far) => far.end()),
    },
  });
  return { path, seen, [Symbol.dispose]: () => server.stop(true) };
}

test.each([1, 2, 3, 4, 5])(
  "hung up in place of answer %d: the ADD fails, and nothing of it is left",
  async (n) => {
    using server = flaky(n);
    const conf = scene.conf({ socket_file: server.path });
    await expect(scene.plugins.add(conf, pod.attachment)).rejects.toMatchObject({ code: 11 });
    expect([await scene.ports(), await scene.pairs()]).toEqual([[], []]);
    expect(server.seen.requests).toBe(n);
    await scene.plugins.add(conf, pod.attachment);
    expect((await scene.ports()).length).toBe(1);
  },
);
