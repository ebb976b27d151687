import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLibc } from "./libc.ts";
import { liveNetns } from "./live-netns.ts";

const libc = openLibc();

test("the netns of processes are live", () => {
  const live = liveNetns(libc);
  // In a container of its own the test sees not all processes, and neither does what it tests.
  if (statSync("/proc/self/ns/pid").ino !== 0xeffffffc) expect(live).toBeUndefined();
  else expect(live?.has(statSync("/proc/self/ns/net").ino)).toBe(true);
});

test("where not all processes can be seen nothing is said", () => {
  const proc = mkdtempSync(join(tmpdir(), "ul-proc-"));
  try {
    expect(liveNetns(libc, proc)).toBeUndefined();
    mkdirSync(join(proc, "self/ns"), { recursive: true });
    writeFileSync(join(proc, "self/ns/pid"), "");
    expect(liveNetns(libc, proc)).toBeUndefined();
  } finally {
    rmSync(proc, { recursive: true });
  }
});
