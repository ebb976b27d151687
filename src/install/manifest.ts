import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { UnderlayError } from "../lib/errors.ts";

/** What was installed under a prefix, so that uninstall removes that and nothing else. */

const ManifestJson = v.object({
  schema: v.literal("underlay.manifest/v1"),
  version: v.string(),
  store_schema: v.number(),
  /** With the hash of what we wrote. In the middle of an upgrade a path has two: the old one's and the new one's. */
  files: v.array(v.object({ path: v.string(), sha256: v.string() })),
  /** Folders that were not there before; parents first. */
  folders: v.array(v.string()),
});

export type Manifest = v.InferOutput<typeof ManifestJson>;

export const manifestPath = (prefix: string): string => `${prefix}/share/underlay/manifest.json`;

/** Undefined when nothing is installed. Throws `state` for a file that is not understood. */
export function readManifest(root: string, prefix: string): Manifest | undefined {
  const path = join(root, manifestPath(prefix));
  if (!existsSync(path)) return undefined;
  const answer = v.safeParse(ManifestJson, parsed(readFileSync(path, "utf8")));
  if (answer.success) return answer.output;
  throw new UnderlayError(
    "state",
    `${path} is not the list of files that install writes: ${answer.issues[0].message}`,
    {
      inputs: { path },
    },
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

export const manifestText = (manifest: Manifest): string => `${JSON.stringify(manifest, undefined, 2)}\n`;

/** Whether a file with this content was written by us. */
export function isListed(manifest: Manifest | undefined, path: string, sha256: string): boolean {
  return manifest?.files.some((file) => file.path === path && file.sha256 === sha256) ?? false;
}
