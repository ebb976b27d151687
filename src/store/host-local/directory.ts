import { UnderlayError } from "../../lib/errors.ts";
import {
  type Entry,
  entriesIn,
  lockOpen,
  makeDirectories,
  O,
  type OpenFile,
  openFile,
  setModified,
  statusOf,
} from "../../sys/file.ts";
import type { Libc } from "../../sys/libc.ts";
import { findNetns } from "../../sys/netns.ts";
import { DamagedIndex } from "./damaged.ts";
import { ReservationFiles } from "./files.ts";
import { hashOf } from "./hash.ts";
import {
  type DirectoryState,
  directoryState,
  dropIndex,
  type Index,
  openIndex,
  saveIndex,
} from "./index-file.ts";
import { Reservations } from "./reservations.ts";
import type { HostLocalStep } from "./steps.ts";

/** The directory of one network, shared with the reference plugin: both take its lock for whatever they do. */

export interface HostLocalParts {
  readonly libc: Libc;
  readonly step: (step: HostLocalStep) => void;
  readonly bootId: string;
  /** Where indexes are kept, in a folder of their own. */
  readonly stateDir: string;
  readonly pause: (milliseconds: number) => Promise<void>;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

/** After so long somebody hangs who has it, and a runtime had better come again. */
const LONGEST_WAIT_MS = 30_000;
const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [1, 20];

/**
 * How long before now a directory that we have changed says it was changed: longer than a tick of any kernel's clock, so
 * that a change by anyone else, however soon, is seen by the time alone.
 */
const AGE_NS = 1_000_000_000n;

export class HostLocalDirectory {
  readonly #parts: HostLocalParts;
  readonly #path: string;

  /** `path`: of the network, not of all. */
  constructor(parts: HostLocalParts, path: string) {
    this.#parts = parts;
    this.#path = path;
  }

  /**
   * Does some work on the reservations under the directory's lock. The work is synchronous: nobody else's ever waits for
   * the kernel's links or for another program. Undefined when there is no directory and none is to be made.
   * Throws `timeout` after 30 s without the lock, and what the file system says. No DisposableStack here or below: a process
   * that lives 10 ms pays 0.2 for its first.
   */
  async locked<T>(
    missing: "make" | "leave",
    work: (reservations: Reservations) => T,
  ): Promise<T | undefined> {
    const directory = this.#open(missing);
    if (!directory) return undefined;
    try {
      const lock = openFile(this.#parts.libc, `${this.#path}/lock`, O.O_RDWR | O.O_CREAT, { mode: 0o600 });
      if (!lock) return undefined;
      try {
        await this.#take(lock);
        return this.#withIndex(directory, work);
      } finally {
        lock.close();
      }
    } finally {
      directory.close();
    }
  }

  /** What a reservation says of the netns that it is for; undefined when the path leads to none. */
  netnsAt(path: string): number | undefined {
    if (path === "") return undefined;
    const found = findNetns(this.#parts.libc, path);
    found?.close();
    return found?.inode;
  }

  #open(missing: "make" | "leave"): OpenFile | undefined {
    const open = () => openFile(this.#parts.libc, this.#path, O.O_RDONLY, { unless: ["ENOENT"] });
    const found = open();
    if (found || missing === "leave") return found;
    makeDirectories(this.#parts.libc, this.#path, 0o755);
    return open();
  }

  /**
   * By asking again and again: flock(2) has no deadline, a signal that ends it would need a handler, and a thread that waits
   * costs more than the plugin's whole work. A holder is done in less than the first pause, unless it reads thousands of files.
   */
  async #take(lock: OpenFile): Promise<void> {
    const { libc, clock, pause } = this.#parts;
    const start = clock();
    for (let wait = FIRST_PAUSE_MS; !lockOpen(libc, lock); wait = Math.min(wait * 1.5, LONGEST_PAUSE_MS)) {
      if (clock() - start > LONGEST_WAIT_MS)
        throw new UnderlayError("timeout", `another program has held ${lock.path} for more than 30 s`);
      await pause(wait);
    }
  }

  #withIndex<T>(directory: OpenFile, work: (reservations: Reservations) => T): T {
    const { libc, bootId, step } = this.#parts;
    const boot = hashOf(bootId);
    const { device, ino } = statusOf(libc, directory) ?? { device: "", ino: 0n };
    const path = `${this.#parts.stateDir}/host-local/${device.replace(":", "-")}-${ino}`;
    const index = openIndex(libc, path, boot, directoryState(libc, directory));
    const files = new ReservationFiles(libc, this.#path, step);
    const open = (from: Index | undefined) =>
      new Reservations({ files, boot, list: () => this.#list() }, from);
    try {
      const reservations = this.#sound(path, index, open);
      // Work that fails half-way leaves an index that is behind, as a process does that dies.
      const result = work(reservations);
      const { changes } = reservations;
      const inPlace = changes?.table === index?.table ? index?.file : undefined;
      if (changes) this.#save(path, { ...changes, ...(inPlace ? { file: inPlace } : {}) }, boot, directory);
      return result;
    } catch (error) {
      if (!(error instanceof DamagedIndex)) throw error;
      dropIndex(libc, path);
      throw new UnderlayError("state", `${path} was damaged and has been removed; try again`, {
        cause: error,
      });
    } finally {
      index?.file?.close();
    }
  }

  /** From its start: an open directory remembers how far it was read. */
  #list(): readonly Entry[] {
    const directory = this.#open("leave");
    if (!directory) return [];
    try {
      return entriesIn(this.#parts.libc, directory);
    } finally {
      directory.close();
    }
  }

  #sound(
    path: string,
    index: Index | undefined,
    open: (from: Index | undefined) => Reservations,
  ): Reservations {
    try {
      return open(index);
    } catch (error) {
      if (!(error instanceof DamagedIndex)) throw error;
      dropIndex(this.#parts.libc, path);
      return open(undefined);
    }
  }

  /**
   * The files are the truth and are there: that an index cannot be written, on a disk that is full or read-only, costs the
   * next caller a look at the directory and nobody an address.
   */
  #save(path: string, index: Omit<Index, "state">, boot: number, directory: OpenFile): void {
    const { libc, step } = this.#parts;
    try {
      saveIndex(libc, path, index, { boot, step, settle: () => this.#settle(directory) });
    } catch (error) {
      if (!(error instanceof UnderlayError)) throw error;
      try {
        dropIndex(libc, path);
      } catch (second) {
        // What stays is of a directory that has changed since, or says itself that it is being written.
        if (!(second instanceof UnderlayError)) throw second;
      }
    }
  }

  #settle(directory: OpenFile): DirectoryState {
    const { libc, clock } = this.#parts;
    try {
      setModified(libc, directory, BigInt(Math.trunc(clock() * 1000)) * 1000n - AGE_NS);
    } catch (error) {
      if (!(error instanceof UnderlayError)) throw error;
      // Somebody else's directory: a change within this tick would not be seen, so no state of it is one to trust.
      return { ...directoryState(libc, directory), modified: 0n };
    }
    return directoryState(libc, directory);
  }
}
