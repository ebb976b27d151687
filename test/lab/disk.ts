import { closeSync, fstatSync, openSync, readSync, rmSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { must } from "../ground/run.ts";

/** Of a sparse file: what is not written costs nothing. */
const BYTES = 4 * 2 ** 30;
/** Offset and length, 8 bytes each; `volatile-disk.c`. */
const HEAD_BYTES = 16;

/** The disk of a guest: an image with an ext4 on it, and what a write cache would have lost when the power went. */
export interface Disk {
  readonly image: string;
  /** Old contents of everything that was written since the last flush. */
  readonly journal: string;
  /** The library that keeps the journal, for LD_PRELOAD. */
  readonly cache: string;
  /** Takes back all writes since the last flush; answers how many. Nobody may have the disk in use. */
  losePower(): number;
}

/** Makes an empty disk in a folder. */
export async function makeDisk(folder: string): Promise<Disk> {
  const [image, journal, cache] = ["disk.img", "disk.journal", "disk.so"].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  await Bun.write(image, "");
  truncateSync(image, BYTES);
  await Promise.all([
    must(["mkfs.ext4", "-q", "-F", image], { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } }),
    must(["cc", "-O2", "-shared", "-fPIC", "-o", cache, join(import.meta.dir, "volatile-disk.c"), "-ldl"]),
  ]);
  return {
    image,
    journal,
    cache,
    losePower: () => {
      const undone = putBack(image, journal);
      rmSync(journal, { force: true });
      return undone;
    },
  };
}

interface Write {
  readonly at: number;
  readonly offset: number;
  readonly length: number;
}

/** Takes back the writes of a journal; answers how many. */
export function putBack(image: string, journal: string): number {
  const from = openSync(journal, "r");
  const to = openSync(image, "r+");
  try {
    const writes = writesIn(from);
    for (const { at, offset, length } of writes.toReversed()) {
      const old = Buffer.alloc(length);
      readSync(from, old, 0, length, at);
      writeSync(to, old, 0, length, offset);
    }
    return writes.length;
  } finally {
    closeSync(from);
    closeSync(to);
  }
}

/** Where the old contents of each write are. The last record is left out when it is cut short: its write never began. */
function writesIn(journal: number): Write[] {
  const { size } = fstatSync(journal);
  const writes: Write[] = [];
  const head = Buffer.alloc(HEAD_BYTES);
  for (let at = 0; at + HEAD_BYTES <= size; ) {
    readSync(journal, head, 0, HEAD_BYTES, at);
    const [offset, length] = [Number(head.readBigUInt64LE(0)), Number(head.readBigUInt64LE(8))];
    at += HEAD_BYTES;
    if (at + length <= size) writes.push({ at, offset, length });
    at += length;
  }
  return writes;
}
