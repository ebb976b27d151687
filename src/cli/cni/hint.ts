import { join } from "node:path";
import { cniPlaces, readCniManifest } from "../../install/cni-manifest.ts";
import { VERSION } from "../version.ts";

/** Where `cni install` puts plugins unless it is told. */
export const BIN_DIR = "/opt/cni/bin";

/** What is to be said of plugins that another verb leaves as they are; empty when there are none. */
export function pluginsStay(root: string): string {
  const binDir = join(root, BIN_DIR);
  if (readCniManifest(binDir) === undefined) return "";
  return `CNI plugins stay in ${binDir}; to remove them: ${cniPlaces(BIN_DIR).executable} cni uninstall\n`;
}

/** The same after an upgrade of the program elsewhere. */
export function pluginsAreOlder(root: string): string {
  const binDir = join(root, BIN_DIR);
  const manifest = readCniManifest(binDir);
  if (manifest === undefined || manifest.version === VERSION) return "";
  return `CNI plugins in ${binDir} are those of ${manifest.version}; to bring them up: underlay cni install\n`;
}
