/**
 * What is known of a configuration of a container network, a file that names plugins. Gathered by `cli`, judged by `conditions`.
 */
export interface ConfFacts {
  readonly file: string;
  /** Why no runtime would take it; the rest is empty then. */
  readonly unreadable?: string;
  /** The version that older runtimes take, and the one that today's do. */
  readonly versions: { readonly older: string; readonly newest: string };
  /** Where plugins are looked for, in this order. */
  readonly folders: readonly string[];
  readonly plugins: readonly PluginFacts[];
}

/** A plugin that the file names, to make a link or to give addresses. */
export interface PluginFacts {
  /** `plugins[0]`, `plugins[0].ipam`. */
  readonly at: string;
  readonly type: string;
  /** Absent when no folder has it. */
  readonly path?: string;
  /** `yes`: what is found is this program. `could be`: it has a plugin of that name, too. */
  readonly ours: "yes" | "could be" | "no";
  /** What it says itself; absent when it is this program, is not found, or says nothing. */
  readonly speaks?: readonly string[];
  /** What our plugin of that name has against its configuration, or against this host. */
  readonly refusal?: string;
  /** Why it could serve nobody now, though its configuration is right. */
  readonly unavailable?: string;
  /** Keys that our plugin of that name does not read. */
  readonly strangeKeys: readonly StrangeKey[];
}

export interface StrangeKey {
  readonly key: string;
  readonly nearest?: string;
}
