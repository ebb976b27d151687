import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLibc } from "../../sys/libc.ts";
import { HostLocalDirectory, type HostLocalParts } from "./directory.ts";

const ADDRESS = /^[0-9a-f.:]*[.:][0-9a-f.:]*$/;

/** A network's directory on disk, and who works with it: as many programs as are opened, in as many boots. */
export interface Scene extends Disposable {
  readonly path: string;
  readonly stateDir: string;
  open(change?: Partial<HostLocalParts>, path?: string): HostLocalDirectory;
  /** What the files say, by address. */
  files(): Record<string, string>;
  indexes(): string[];
}

export function newScene(): Scene {
  const root = mkdtempSync(join(tmpdir(), "ul-host-local-"));
  const path = join(root, "networks", "lannet");
  const stateDir = join(root, "state");
  const libc = openLibc();
  return {
    path,
    stateDir,
    open: (change = {}, at = path) =>
      new HostLocalDirectory(
        {
          libc,
          step: () => undefined,
          bootId: "first boot",
          stateDir,
          pause: (milliseconds) => Bun.sleep(milliseconds),
          clock: () => Date.now(),
          ...change,
        },
        at,
      ),
    files() {
      mkdirSync(path, { recursive: true });
      const names = readdirSync(path)
        .filter((name) => ADDRESS.test(name))
        .sort();
      return Object.fromEntries(names.map((name) => [name, readFileSync(join(path, name), "utf8")]));
    },
    indexes() {
      const folder = join(stateDir, "host-local");
      mkdirSync(folder, { recursive: true });
      return readdirSync(folder).map((name) => join(folder, name));
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}
