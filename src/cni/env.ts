import type { Version } from "./versions.ts";

export type Verb = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";

/** The environment of a call, checked. Which of these a verb must have is a table; absent ones are empty. */
export interface CniEnv {
  readonly verb: Verb;
  readonly containerId: string;
  /** Empty on a DEL whose container is gone. */
  readonly netns: string;
  readonly ifname: string;
  /** CNI_PATH, split. */
  readonly path: readonly string[];
  /** CNI_ARGS as it came: each plugin knows other keys. */
  readonly args: string;
}

/** The version from which on a verb may be called; absent = any. */
export type Since = Readonly<Partial<Record<Verb, Version>>>;
