import type { ModuleState } from "../../lib/host-facts.ts";
import type { Files } from "./read.ts";

/** Where a module is, as the files of modules.dep(5) tell. They explain; they prove nothing. */
export function moduleState(
  files: Files,
  release: string,
  module: string,
): { readonly state: ModuleState; readonly source: string } {
  const folder = `/lib/modules/${release}`;
  const has = (path: string, pattern: RegExp) => pattern.test(files.text(path) ?? "");
  // A file's name has - where the module's has _, or the other way round.
  const file = new RegExp(`(^|/)${module.replaceAll(/[-_]/g, "[-_]")}\\.ko(\\.[a-z0-9]+)?(:|$)`, "m");
  if (has("/proc/modules", new RegExp(`^${module.replaceAll("-", "_")} `, "m")))
    return { state: "loaded", source: "/proc/modules" };
  if (!files.exists(folder)) return { state: "no modules", source: folder };
  if (has(`${folder}/modules.builtin`, file))
    return { state: "built in", source: `${folder}/modules.builtin` };
  if (has(`${folder}/modules.dep`, file)) return { state: "loadable", source: `${folder}/modules.dep` };
  return { state: "missing", source: `${folder}/modules.dep` };
}

/**
 * Of the modules those that the kernel has now. Undefined when it cannot be told which are built in: then it may have
 * all of them.
 */
export function modulesNow<Module extends string>(
  files: Files,
  release: string,
  modules: readonly Module[],
): readonly Module[] | undefined {
  const loaded = files.text("/proc/modules");
  const builtIn = files.text(`/lib/modules/${release}/modules.builtin`);
  if (loaded === undefined || builtIn === undefined) return undefined;
  return modules.filter(
    (module) =>
      loaded.startsWith(`${module} `) || loaded.includes(`\n${module} `) || builtIn.includes(`/${module}.ko`),
  );
}
