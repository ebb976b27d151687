import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { UnderlayError } from "../lib/errors.ts";

/** What is ours in a folder of CNI plugins. All of it but the links and the executable is in one folder there. */

/** Runtimes look for names that a configuration has; none begins with a dot. */
const OWN_FOLDER = ".underlay";

export const EXECUTABLE = "underlay";

export interface CniPlaces {
  readonly folder: string;
  readonly originals: string;
  readonly manifest: string;
  /** Where a file is made before it is renamed into place. One run at a time: what is there was left by a run that died. */
  readonly unfinished: string;
  readonly executable: string;
}

export function cniPlaces(binDir: string): CniPlaces {
  const folder = join(binDir, OWN_FOLDER);
  return {
    folder,
    originals: join(folder, "originals"),
    manifest: join(folder, "manifest.json"),
    unfinished: join(folder, "unfinished"),
    executable: join(binDir, EXECUTABLE),
  };
}

const CniManifestJson = v.object({
  schema: v.literal("underlay.cni-manifest/v1"),
  version: v.string(),
  /** Hashes of the executables that we wrote: in the middle of an upgrade the new one's and the old one's. */
  executables: v.array(v.string()),
  /** Names that lead, or are about to lead, to it. */
  plugins: v.array(v.string()),
  /** Folders that were not there before; parents first. */
  folders: v.array(v.string()),
});

export type CniManifest = v.InferOutput<typeof CniManifestJson>;

/** Undefined when nothing of ours is there. Throws `state` for a file that is not understood. */
export function readCniManifest(binDir: string): CniManifest | undefined {
  const path = cniPlaces(binDir).manifest;
  if (!existsSync(path)) return undefined;
  const answer = v.safeParse(CniManifestJson, parsed(readFileSync(path, "utf8")));
  if (answer.success) return answer.output;
  throw new UnderlayError(
    "state",
    `${path} is not the list that cni install writes: ${answer.issues[0].message}`,
    { inputs: { path } },
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    // Told by the schema as what it is not.
    return String(thrown);
  }
}
