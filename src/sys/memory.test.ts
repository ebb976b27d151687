import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { openLibc } from "./libc.ts";
import { releaseCode } from "./memory.ts";

/** Kilobytes of our own code that are mapped. */
function mappedCode(): number {
  const [, ...areas] = readFileSync("/proc/self/smaps", "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const code = areas.filter((area) => /^\S+ r-xp .*\/bun/.test(area));
  return code.reduce((sum, area) => sum + Number(/^Rss: +(\d+)/m.exec(area)?.[1] ?? 0), 0);
}

test("code that was run is unmapped, and runs when it is called again", () => {
  const libc = openLibc();
  const before = mappedCode();
  expect(before).toBeGreaterThan(10_000);
  releaseCode(libc);
  expect(mappedCode()).toBeLessThan(before / 2);
  expect(JSON.stringify({ works: [1, "2"].map(String).toSorted() })).toBe('{"works":["1","2"]}');
});
