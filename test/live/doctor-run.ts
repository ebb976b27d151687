import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { type Body, SCHEMAS } from "../../src/daemon/api.ts";

/** The shipped program's `doctor` in a namespace, with folders of the test's own. */

export const PROGRAM = resolve(import.meta.dir, "../../dist/underlay");

export type Diagnosis = Body<"underlay.doctor/v1">;

/** Where the daemon, whether one runs or not, would have its things. */
export interface Places {
  readonly stateDir: string;
  readonly runDir: string;
  readonly pluginDir: string;
}

export interface Run {
  /** What starts the program, inside the namespace. */
  readonly by?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Doctor extends Disposable {
  readonly folder: string;
  /** How it is started, for a test that does something meanwhile. */
  command(
    netns: string,
    words: readonly string[],
    how?: Run,
  ): { readonly argv: string[]; readonly env: Readonly<Record<string, string>> };
  /** `words`: LINK and flags. `netns`: a path by which the namespace is entered. */
  run(
    netns: string,
    words: readonly string[],
    how?: Run,
  ): { readonly code: number; readonly out: string; readonly err: string };
  /** The same as JSON, which must be of its schema. */
  diagnosis(netns: string, words: readonly string[], how?: Run): Diagnosis;
}

/** `places`: of a daemon that runs; else folders in which there is nothing. */
export function makeDoctor(places?: Places): Doctor {
  const folder = mkdtempSync(join(tmpdir(), "underlay-live-doctor-"));
  // Users other than root must reach it.
  chmodSync(folder, 0o755);
  const { stateDir, runDir, pluginDir } = places ?? {
    stateDir: `${folder}/state-dir`,
    runDir: `${folder}/run-dir`,
    pluginDir: `${folder}/plugin-dir`,
  };

  const command: Doctor["command"] = (netns, words, { by = [], env = {} } = {}) => ({
    argv: ["nsenter", `--net=${netns}`, ...by, PROGRAM, "doctor", ...words, "--config=/dev/null"],
    env: {
      PATH: process.env["PATH"] ?? "",
      UNDERLAY_STATE_DIR: stateDir,
      UNDERLAY_RUN_DIR: runDir,
      UNDERLAY_PLUGIN_DIR: pluginDir,
      UNDERLAY_DOCKER_SOCKET: `${folder}/docker-socket`,
      ...env,
    },
  });
  const run: Doctor["run"] = (...asked) => {
    const { argv, env } = command(...asked);
    const { exitCode, stdout, stderr } = Bun.spawnSync(argv, { env });
    return { code: exitCode, out: stdout.toString(), err: stderr.toString() };
  };
  return {
    folder,
    command,
    run,
    diagnosis(netns, words, how) {
      const { out, err } = run(netns, [...words, "-o", "json"], how);
      if (out === "") throw new Error(err);
      return diagnosisOf(out);
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

/** What it printed as JSON, which must be of its schema. */
export function diagnosisOf(out: string): Diagnosis {
  return v.parse(SCHEMAS["underlay.doctor/v1"], JSON.parse(out));
}

/**
 * Starts a program where these files say something else, or are there at all: a private mount namespace with a tmpfs
 * instead of /sys, and files of it over those of /proc. To be given as `by`.
 */
export function onMachine(files: Readonly<Record<string, string>>): readonly string[] {
  const script = Object.entries(files).map(([path, text], i) =>
    path.startsWith("/sys/")
      ? `mkdir -p '${path.slice(0, path.lastIndexOf("/"))}'; echo '${text}' >'${path}'`
      : `echo '${text}' >/sys/file${i}; mount --bind /sys/file${i} '${path}'`,
  );
  const all = ["mount -t tmpfs machine /sys", ...script, 'exec "$@"'].join("\n");
  return ["unshare", "--mount", "sh", "-euc", all, "sh"];
}
