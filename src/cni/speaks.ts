import { list, struct, text } from "../lib/shape.ts";

/** Which versions a program says that it speaks, when it is asked as libcni asks. */

const shape = struct({ cniVersion: text, supportedVersions: list(text) });

/** As podman does at each start. Milliseconds. */
const PATIENCE = 5000;

/** Undefined when it says nothing that could be understood; none when it cannot be started. */
export function versionsOf(path: string): readonly string[] | undefined {
  const answer = asked(path);
  if (answer === undefined) return [];
  const { stdout, exitCode } = answer;
  if (exitCode !== 0) return undefined;
  const { cniVersion, supportedVersions } = shape(jsonOf(stdout.toString()), "", []);
  if (supportedVersions.length > 0) return supportedVersions;
  return cniVersion === "0.2.0" ? ["0.1.0", "0.2.0"] : undefined;
}

function asked(path: string) {
  try {
    return started(path);
  } catch (thrown) {
    // Not executable, or for another processor: no runtime can start it either.
    if (thrown instanceof Error && "errno" in thrown) return undefined;
    throw thrown;
  }
}

function started(path: string) {
  return Bun.spawnSync([path], {
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
}

function jsonOf(said: string): unknown {
  try {
    return JSON.parse(said);
  } catch {
    // Nothing that could be understood, as the shape has it.
    return undefined;
  }
}
