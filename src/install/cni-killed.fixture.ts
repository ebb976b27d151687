import { installPlugins, removePlugins } from "./cni.ts";
import { readCniManifest } from "./cni-manifest.ts";

/** A run that is killed before its nth change: `bun cni-killed.fixture.ts N BIN_DIR [EXECUTABLE PLUGINS]`; removes without them. */

const [, , last = "", binDir = "", executable, plugins = ""] = process.argv;
const before = dyingAt(Number(last));
if (executable !== undefined)
  installPlugins(binDir, { version: "1", executable, plugins: plugins.split(",") }, [], before);
else {
  const manifest = readCniManifest(binDir);
  if (manifest) removePlugins(binDir, manifest, before);
}

function dyingAt(nth: number): () => void {
  let changes = 0;
  return () => {
    if (++changes === nth) process.kill(process.pid, "SIGKILL");
  };
}
