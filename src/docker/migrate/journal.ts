import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { UnderlayError } from "../../lib/errors.ts";
import { DockerNetwork } from "../dockerd.ts";

/** The one network that is being moved; while it is here, Docker may have no network of that name. */
export interface Entry {
  /** As it was. */
  readonly network: DockerNetwork;
  /** The driver that it was to have. */
  readonly to: string;
}

export interface Journal {
  read(): Entry | undefined;
  /** It outlives a power cut from when this returns. */
  write(entry: Entry): void;
  clear(): void;
}

const FILE = "migrate-docker.json";

const Written = v.object({
  schema: v.literal("underlay.migration/v1"),
  network: DockerNetwork,
  to: v.string(),
});

/** A file in this folder. All throw `permission` or `state`. */
export function fileJournal(folder: string): Journal {
  const path = join(folder, FILE);
  return {
    read: () =>
      attempt(path, () => {
        if (!existsSync(path)) return undefined;
        const { network, to } = v.parse(Written, JSON.parse(readFileSync(path, "utf8")));
        return { network, to };
      }),
    write: (entry) =>
      attempt(path, () => {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        const text = `${JSON.stringify({ schema: "underlay.migration/v1", ...entry }, undefined, 2)}\n`;
        const temporary = `${path}.new`;
        const file = openSync(temporary, "w", 0o600);
        writeSync(file, text);
        fsyncSync(file);
        closeSync(file);
        renameSync(temporary, path);
        syncFolder(dirname(path));
      }),
    clear: () => attempt(path, () => rmSync(path, { force: true })),
  };
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  fsyncSync(descriptor);
  closeSync(descriptor);
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const errno = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    const code = errno === "EACCES" || errno === "EPERM" ? "permission" : "state";
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UnderlayError(code, `cannot note in ${path} what is moved: ${why}`, {
      cause,
      inputs: { path },
    });
  }
}
