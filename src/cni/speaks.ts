import { list, struct, text } from "../lib/shape.ts";

/** Which versions a program says that it speaks, when it is asked as libcni asks. */

const shape = struct({ cniVersion: text, supportedVersions: list(text) });

/** As podman does at each start. Milliseconds. */
const PATIENCE = 5000;

/** Undefined when it says nothing that could be understood. */
export function versionsOf(path: string): readonly string[] | undefined {
  const { stdout, exitCode } = Bun.spawnSync([path], {
    env: {
      CNI_COMMAND: "VERSION",
      CNI_CONTAINERID: "",
      CNI_NETNS: "dummy",
      CNI_IFNAME: "dummy",
      CNI_ARGS: "",
      CNI_PATH: "dummy",
      PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    },
    stdin: new TextEncoder().encode('{"cniVersion":"1.0.0"}'),
    stdout: "pipe",
    stderr: "ignore",
    timeout: PATIENCE,
  });
  if (exitCode !== 0) return undefined;
  const { cniVersion, supportedVersions } = shape(jsonOf(stdout.toString()), "", []);
  if (supportedVersions.length > 0) return supportedVersions;
  return cniVersion === "0.2.0" ? ["0.1.0", "0.2.0"] : undefined;
}

function jsonOf(said: string): unknown {
  try {
    return JSON.parse(said);
  } catch {
    // Nothing that could be understood, as the shape has it.
    return undefined;
  }
}
