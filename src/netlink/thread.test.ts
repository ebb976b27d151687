import { expect, test } from "bun:test";
import type { NetlinkSocket } from "../sys/socket.ts";
import { startNetlinkThread } from "./thread.ts";

/** Threads that end, as they do when memory is short or their program cannot be loaded. */

const socket: NetlinkSocket = {
  fd: -1,
  send: () => undefined,
  receive: () => new Uint8Array(),
  close: () => undefined,
};

const program = (code: string) => () =>
  new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));

test.each([
  ["on a message", "self.onmessage = () => { throw new Error('broken'); };"],
  ["before the first one", "throw new Error('broken');"],
])(
  "a thread that ends %s fails what it was asked, and what it is asked later, and tells",
  async (_when, code) => {
    const told: string[] = [];
    const thread = startNetlinkThread(program(code), ({ message }) => void told.push(message));
    const { exchange } = thread.transport(socket);
    for (let i = 0; i < 3; i++) {
      await expect(exchange(new Uint8Array(16))).rejects.toThrow("a netlink thread ended");
    }
    expect(told).toEqual([expect.stringContaining("a netlink thread ended")]);
    thread.close();
  },
);

test("what the thread says about a failure comes as an error of ours", async () => {
  const answer =
    "self.onmessage = ({data}) => self.postMessage({ kind: 'failed', id: data.id, code: 'kernel', message: 'no', errno: 'EIO' });";
  const thread = startNetlinkThread(program(answer));
  await expect(thread.transport(socket).exchange(new Uint8Array(16))).rejects.toMatchObject({
    name: "UnderlayError",
    code: "kernel",
    errno: "EIO",
  });
  thread.close();
});
