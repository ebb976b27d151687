import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { putBack } from "./disk.ts";

/** What a power cut takes back, by the bytes of the journal. */

function record(offset: number, old: string): Buffer {
  const head = Buffer.alloc(16);
  head.writeBigUInt64LE(BigInt(offset), 0);
  head.writeBigUInt64LE(BigInt(old.length), 8);
  return Buffer.concat([head, Buffer.from(old)]);
}

test("writes are taken back last first; one whose record is cut short never began", () => {
  using undo = new DisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "underlay-disk-"));
  undo.defer(() => rmSync(folder, { recursive: true }));
  const [image, journal] = [join(folder, "image"), join(folder, "journal")] as const;
  writeFileSync(image, "ZZZZ-YY-");
  writeFileSync(
    journal,
    Buffer.concat([record(0, "aaaa"), record(2, "bb"), record(5, "cc"), record(0, "never").subarray(0, 19)]),
  );
  expect(putBack(image, journal)).toBe(3);
  expect(readFileSync(image, "utf8")).toBe("aaaa-cc-");
});
