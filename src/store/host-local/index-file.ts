import {
  makeDirectories,
  O,
  type OpenFile,
  openFile,
  readAt,
  renameFile,
  statusOf,
  truncateFile,
  unlinkFile,
  writeAt,
} from "../../sys/file.ts";
import type { Libc } from "../../sys/libc.ts";
import { mix } from "./hash.ts";
import { PAGE_BYTES, Pages } from "./pages.ts";
import type { HostLocalStep } from "./steps.ts";
import { getNumber, setNumber, TABLE_AT, Table } from "./table.ts";

/**
 * The index on disk: a table, and what the directory was like when the two agreed. It is never written through to the
 * disk, so after another boot it proves nothing by itself.
 */

/** What tells that a directory is as it was. */
export interface DirectoryState {
  readonly ino: number;
  readonly modified: bigint;
  readonly changed: bigint;
}

export interface Index {
  readonly table: Table;
  /**
   * `trusted`: the directory is as it was. `stale`: somebody has changed it since. `doubtful`: of another boot, or its
   * writer died; each slot may be of any time.
   */
  readonly state: "trusted" | "stale" | "doubtful";
  /** A file may have been replaced by another of the same name without being noticed. */
  readonly tainted: boolean;
  /** There are reservations of ours from before this boot. */
  readonly former: boolean;
  /** Undefined when the table is in memory only. */
  readonly file?: OpenFile;
}

const MAGIC = 0x4c48_4c55;
const VERSION = 2;
const AT = {
  magic: 0,
  version: 4,
  flags: 8,
  boot: 16,
  ino: 24,
  modified: 32,
  changed: 40,
  check: 56,
} as const;
/** Being written: what is in it belongs together no more. */
const DIRTY = 1;
const TAINTED = 2;
const FORMER = 4;

/** Undefined when there is none, or none that this version can read. */
export function openIndex(
  libc: Libc,
  path: string,
  boot: number,
  directory: DirectoryState,
): Index | undefined {
  const file = openFile(libc, path, O.O_RDWR, {
    unless: ["ENOENT", "ENOTDIR", "EISDIR", "ELOOP", "EROFS", "EACCES", "EIO"],
  });
  if (!file) return undefined;
  const pages = new Pages((page, into) => void readAt(libc, file, into, page * PAGE_BYTES));
  const header = pages.at(0);
  const flags = header.getUint32(AT.flags, true);
  const isOurs = header.getUint32(AT.magic, true) === MAGIC && header.getUint32(AT.version, true) === VERSION;
  const table = isOurs && getNumber(header, AT.check) === checkOf(header) ? Table.open(pages) : undefined;
  if (!table || statusOf(libc, file)?.size !== table.bytes) {
    file.close();
    return undefined;
  }
  const isDoubtful = (flags & DIRTY) !== 0 || getNumber(header, AT.boot) !== boot;
  const isSame =
    getNumber(header, AT.ino) === directory.ino &&
    header.getBigInt64(AT.modified, true) === directory.modified &&
    header.getBigInt64(AT.changed, true) === directory.changed;
  const state = isDoubtful ? "doubtful" : isSame ? "trusted" : "stale";
  return { table, state, tainted: (flags & TAINTED) !== 0, former: (flags & FORMER) !== 0, file };
}

interface Save {
  readonly boot: number;
  /** Called when all but the header is written: the state that the directory has from now on. */
  readonly settle: () => DirectoryState;
  readonly step: (step: HostLocalStep) => void;
}

/** Writes what has changed, or all of a table that was made in memory. Throws what the file system says. */
export function saveIndex(libc: Libc, path: string, index: Omit<Index, "state">, save: Save): void {
  const { table, file } = index;
  const header = table.pages.toChange(0);
  header.setUint32(AT.magic, MAGIC, true);
  header.setUint32(AT.version, VERSION, true);
  setNumber(header, AT.boot, save.boot);
  const seal = (flags: number) => {
    header.setUint32(AT.flags, flags, true);
    setNumber(header, AT.check, checkOf(header));
    return new Uint8Array(header.buffer);
  };
  save.step("address.index.before-mark");
  const target = file ?? create(libc, path);
  try {
    if (!file) truncateFile(libc, target, table.bytes);
    writeAt(libc, target, seal(DIRTY), 0);
    save.step("address.index.after-mark");
    for (const [page, bytes] of table.pages.takeChanged())
      if (page !== 0) writeAt(libc, target, bytes, page * PAGE_BYTES);
    save.step("address.index.after-pages");
    if (!file) renameFile(libc, target.path, path);
    const { ino, modified, changed } = save.settle();
    setNumber(header, AT.ino, ino);
    header.setBigInt64(AT.modified, modified, true);
    header.setBigInt64(AT.changed, changed, true);
    writeAt(libc, target, seal((index.tainted ? TAINTED : 0) | (index.former ? FORMER : 0)), 0);
    save.step("address.index.after-header");
  } finally {
    if (!file) target.close();
  }
}

function create(libc: Libc, path: string): OpenFile {
  const temporary = `${path}.new`;
  const open = () =>
    openFile(libc, temporary, O.O_RDWR | O.O_CREAT | O.O_TRUNC, { mode: 0o600, unless: ["ENOENT"] });
  const file = open();
  if (file) return file;
  makeDirectories(libc, path.slice(0, path.lastIndexOf("/")), 0o700);
  const second = open();
  if (!second) throw new Error(`${temporary} vanished`);
  return second;
}

/** Whatever is wrong with it: what is not there misleads nobody. */
export function dropIndex(libc: Libc, path: string): void {
  unlinkFile(libc, path);
}

export function directoryState(libc: Libc, directory: OpenFile): DirectoryState {
  const status = statusOf(libc, directory);
  if (!status) throw new Error(`${directory.path} is open and not there`);
  return { ino: Number(status.ino), modified: status.modified, changed: status.changed };
}

function checkOf(header: DataView): number {
  let low = 0;
  let high = 0;
  for (let at = 0; at < TABLE_AT + 16; at += 4) {
    if (at >= AT.check && at < TABLE_AT) continue;
    const word = header.getUint32(at, true);
    low = Math.imul(low ^ word, 0x01000193);
    high = Math.imul(high ^ word, 0x5bd1e995) ^ (low >>> 15);
  }
  return (mix(high) & 0x1fffff) * 2 ** 32 + mix(low);
}
