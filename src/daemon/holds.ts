import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { UnderlayError } from "../lib/errors.ts";
import { stateError } from "../store/failure.ts";
import { DATABASE_FILE } from "../store/sqlite.ts";
import type { Libc } from "../sys/libc.ts";
import { type Lock, tryLock, tryLockDirectory } from "../sys/lock.ts";

/**
 * The folders that one daemon has for itself. Its records are cached in memory, so a second one on the same state
 * would undo what the first one writes; and one that starts while another ends must not read before the last write.
 */

/** Throws `conflict` when another daemon has it, `permission` or `state` when it cannot be made. */
export function holdRunDir(libc: Libc, runDir: string): Lock {
  const folder = join(runDir, "lock");
  const lock = attempt(
    () => {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      return tryLock(libc, join(folder, "daemon"));
    },
    (thrown) => {
      const errno = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
      const code = errno === "EACCES" || errno === "EPERM" ? "permission" : "state";
      return new UnderlayError(code, `cannot make ${folder}: ${errno}`, { errno, cause: thrown });
    },
  );
  return lock ?? taken("run_dir", runDir);
}

/** The same for the state directory, whose modes and files are the store's business. */
export function holdStateDir(libc: Libc, stateDir: string): Lock {
  const lock = attempt(
    () => {
      mkdirSync(stateDir, { recursive: true, mode: 0o700 });
      return tryLockDirectory(libc, stateDir);
    },
    (thrown) => stateError(thrown, join(stateDir, DATABASE_FILE)),
  );
  return lock ?? taken("state_dir", stateDir);
}

function attempt<T>(work: () => T, failed: (thrown: unknown) => UnderlayError): T {
  try {
    return work();
  } catch (thrown) {
    throw thrown instanceof UnderlayError ? thrown : failed(thrown);
  }
}

function taken(setting: string, value: string): never {
  throw new UnderlayError("conflict", `another underlay daemon runs with ${setting} ${value}`, {
    inputs: { [setting]: value },
  });
}
