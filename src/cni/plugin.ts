import type { CniEnv } from "./env.ts";
import type { Result } from "./result.ts";
import type { Version } from "./versions.ts";

/**
 * What a CNI plugin is to the program that runs it. The program has read the environment and the configuration, has
 * negotiated the version and has checked that the netns is not ours; a plugin does one verb.
 * Source: CNI spec 1.1.0, section 3 and 4.
 */
export interface Plugin {
  /** Throws what was done so far away again. Called twice for the same container and interface, it answers the same. */
  add(call: Call): Promise<Result>;
  /** Needs neither netns, parent, prevResult nor state to be there; does all it can, then throws all that failed. */
  del(call: Call): Promise<void>;
  check(call: Call): Promise<void>;
  /** `valid`: all attachments of this network that are alive; undefined when the runtime did not say. */
  gc(call: Call, valid: readonly AttachmentId[] | undefined): Promise<void>;
  /** Throws `CniError` 50 or 51 when an ADD could not be served. */
  status(call: Call): Promise<void>;
}

export interface Call {
  readonly env: CniEnv;
  /** The configuration object as it came, keys in the case that they came in. */
  readonly conf: Readonly<Record<string, unknown>>;
  /** What came on stdin, for a delegate. */
  readonly raw: string;
  readonly name: string;
  readonly version: Version;
  /** Absent on the first of a chain, and from runtimes that keep none. */
  readonly prevResult?: Result;
}

/** `cni.dev/valid-attachments` */
export interface AttachmentId {
  readonly containerId: string;
  readonly ifname: string;
}
