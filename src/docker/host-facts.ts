import { connect } from "node:net";
import * as v from "valibot";
import type { DockerdFacts, DriverFacts, Read } from "../lib/host-facts.ts";

/** Milliseconds. A diagnosis is to take less than a second; a dockerd that hangs is not waited for. */
const PATIENCE = 400;

const Info = v.object({
  OperatingSystem: v.optional(v.string(), ""),
  SecurityOptions: v.nullish(v.array(v.string()), []),
});
const Plugins = v.array(v.object({ Name: v.string(), Enabled: v.boolean() }));

/** What dockerd says of itself, by the Engine API. Never to be asked inside a plugin call. */
export async function askDockerd(socket: string): Promise<Read<DockerdFacts>> {
  const get = async (path: string): Promise<unknown> => {
    const signal = AbortSignal.timeout(PATIENCE);
    return (await fetch(`http://docker${path}`, { unix: socket, signal })).json();
  };
  try {
    const [info, plugins] = await Promise.all([get("/info"), get("/plugins")]);
    const { OperatingSystem: system, SecurityOptions } = v.parse(Info, info);
    const managed = v.parse(Plugins, plugins).filter(({ Name }) => /underlay/.test(Name));
    return {
      known: {
        system,
        rootless: (SecurityOptions ?? []).some((option) => option.split(",").includes("name=rootless")),
        plugins: managed.map(({ Name, Enabled }) => ({ name: Name, enabled: Enabled })),
      },
    };
  } catch (thrown) {
    const why = thrown instanceof Error ? codeOf(thrown) : String(thrown);
    return { unread: `dockerd does not answer at ${socket} (${why})` };
  }
}

const SPEC_FOLDERS = ["/etc/docker/plugins", "/usr/lib/docker/plugins"];

/** Whether Docker finds a driver: by its socket, else by a spec file. `read`: a file as text, or undefined. */
export async function driverFacts(
  name: string,
  pluginDir: string,
  read: (path: string) => string | undefined,
): Promise<DriverFacts> {
  const socket = `${pluginDir}/${name}.sock`;
  const specs = SPEC_FOLDERS.flatMap((folder) => [`${folder}/${name}.spec`, `${folder}/${name}.json`]);
  const spec = specs.find((path) => read(path) !== undefined);
  return { name, socket, state: await stateOf(socket), ...(spec !== undefined && { spec }) };
}

/** connect(2) on a unix socket, by the code of its failure. */
const STATES: Readonly<Record<string, DriverFacts["state"]>> = {
  ENOENT: "absent",
  ENOTDIR: "absent",
  ECONNREFUSED: "stale",
};

function stateOf(path: string): Promise<DriverFacts["state"]> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve("served");
    });
    socket.once("error", (error) => resolve(STATES[codeOf(error)] ?? "out of reach"));
  });
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
