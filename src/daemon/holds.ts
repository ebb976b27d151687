import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { UnderlayError } from "../lib/errors.ts";
import { stateError } from "../store/failure.ts";
import { DATABASE_FILE } from "../store/sqlite.ts";
import { isForbidden, WHO_MAY } from "../sys/errno.ts";
import type { Libc } from "../sys/libc.ts";
import { type Lock, tryLock } from "../sys/lock.ts";

/**
 * The folders that one daemon has for itself. Its records are cached in memory, so a second one on the same state
 * would undo what the first one writes; and one that starts while another ends must not read before the last write.
 */

/** Throws `conflict` when another daemon has it, `permission` or `state` when it cannot be made. */
export function holdRunDir(libc: Libc, runDir: string): Lock {
  const folder = join(runDir, "lock");
  return hold(libc, { setting: "run_dir", folder, file: "daemon", value: runDir }, (thrown) => {
    const errno = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
    const forbidden = isForbidden(errno);
    const message = `cannot make ${folder}: ${errno}${forbidden ? `: ${WHO_MAY}` : ""}`;
    return new UnderlayError(forbidden ? "permission" : "state", message, { errno, cause: thrown });
  });
}

/** The same for the state directory; the store makes it as it should be afterwards. */
export function holdStateDir(libc: Libc, stateDir: string): Lock {
  const path = join(stateDir, DATABASE_FILE);
  const place = { setting: "state_dir", folder: stateDir, file: "underlay.lock", value: stateDir };
  return hold(libc, place, (thrown) => stateError(thrown, path));
}

interface Place {
  readonly setting: string;
  readonly folder: string;
  readonly file: string;
  readonly value: string;
}

function hold(libc: Libc, place: Place, failed: (thrown: unknown) => UnderlayError): Lock {
  const { setting, folder, file, value } = place;
  const lock = locked(libc, folder, file, failed);
  if (lock) return lock;
  throw new UnderlayError("conflict", `another underlay daemon runs with ${setting} ${value}`, {
    inputs: { [setting]: value },
  });
}

function locked(libc: Libc, folder: string, file: string, failed: (thrown: unknown) => UnderlayError) {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return tryLock(libc, join(folder, file));
  } catch (thrown) {
    throw thrown instanceof UnderlayError ? thrown : failed(thrown);
  }
}
