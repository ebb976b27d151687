import * as v from "valibot";
import { FindingJson } from "./network-json.ts";

/** What `cni check` and `cni migrate` say, for programs. */

const PluginJson = v.object({
  /** `plugins[0]`, `plugins[0].ipam`. */
  at: v.string(),
  type: v.string(),
  /** Null when no folder has it. */
  path: v.nullable(v.string()),
  ours: v.picklist(["yes", "could be", "no"]),
  /** Null when this program has no plugin of that name, or it makes none. */
  link: v.nullable(
    v.object({
      kind: v.string(),
      mode: v.nullable(v.string()),
      parent: v.nullable(v.string()),
      in_container: v.boolean(),
      mtu: v.nullable(v.number()),
    }),
  ),
  /** Of a plugin that gives addresses from a pool. */
  pool: v.nullable(
    v.object({
      folder: v.string(),
      /** One address of each; `A-B,C-D`. */
      ranges: v.array(v.string()),
      /** Null when the folder cannot be read. */
      taken: v.nullable(v.number()),
    }),
  ),
});

export const CniCheckJson = v.object({
  schema: v.literal("underlay.cni-check/v1"),
  file: v.string(),
  /** Null when the file cannot be read. */
  name: v.nullable(v.string()),
  /** What runtimes of before 2024, and what newer ones take; empty is 0.1.0. */
  versions: v.object({ older: v.string(), newest: v.string() }),
  folders: v.array(v.string()),
  plugins: v.array(PluginJson),
  findings: v.array(FindingJson),
});

export const CniMigrateJson = v.object({
  schema: v.literal("underlay.cni-migrate/v1"),
  bin_dir: v.string(),
  files: v.array(
    v.object({
      file: v.string(),
      name: v.nullable(v.string()),
      /** `yes`: all of it is ours then; `partly`: other plugins stay with theirs; `no`: nothing of it; `unreadable`. */
      taken_over: v.picklist(["yes", "partly", "no", "unreadable"]),
      ours: v.array(v.string()),
      others: v.array(v.string()),
      problem: v.nullable(v.string()),
    }),
  ),
  /** In the order in which to type them. */
  commands: v.array(v.string()),
});
