import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLibc } from "../../src/sys/libc.ts";
import { notifyManager } from "../../src/sys/notify.ts";

/** sd_notify against a socket that another program reads, as a service manager does. */

const MANAGER = [
  "import os, socket, sys",
  "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
  "s.bind(sys.argv[1].replace('@', '\\0', 1))",
  "s.settimeout(10)",
  "print('bound', flush=True)",
  "sys.stdout.write(s.recv(4096).decode())",
].join("\n");

async function heardOn(address: string, state: readonly string[]): Promise<string> {
  const manager = Bun.spawn(["python3", "-c", MANAGER, address], { stdout: "pipe" });
  const decoder = new TextDecoder();
  let heard = "";
  let told = false;
  for await (const part of manager.stdout) {
    heard += decoder.decode(part, { stream: true });
    if (told || !heard.startsWith("bound\n")) continue;
    told = true;
    notifyManager(openLibc(), address, state);
  }
  expect(await manager.exited).toBe(0);
  return heard.replace("bound\n", "");
}

test("a state is one datagram of lines, to a path and to an abstract name", async () => {
  const folder = mkdtempSync(join(tmpdir(), "notify-"));
  try {
    const path = join(folder, "socket");
    expect(await heardOn(path, ["READY=1", "STATUS=3 networks"])).toBe("READY=1\nSTATUS=3 networks");
    expect(existsSync(path)).toBe(true);
    expect(await heardOn(`@underlay-notify-${process.pid}`, ["WATCHDOG=1"])).toBe("WATCHDOG=1");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a manager that is gone is told, and so is a path that cannot be one", () => {
  const notify = (path: string) => () => notifyManager(openLibc(), path, ["READY=1"]);
  expect(notify("/nonexistent/notify")).toThrow("notify the service manager: ENOENT");
  expect(notify("")).toThrow("NOTIFY_SOCKET is no path or abstract name");
  expect(notify(`/${"x".repeat(200)}`)).toThrow("NOTIFY_SOCKET is no path or abstract name");
});
