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

/** A JSON object, keys in the case that they came in. */
export type Conf = Readonly<Record<string, unknown>>;

export interface Call {
  readonly env: CniEnv;
  readonly conf: Conf;
  /** What came on stdin, for a delegate. */
  readonly raw: string;
  readonly name: string;
  readonly version: Version;
  /** Absent on the first of a chain, from runtimes that keep none, and on a DEL whose runtime kept nonsense. */
  readonly prevResult?: Result;
}

/** `cni.dev/valid-attachments` */
export interface AttachmentId {
  readonly containerId: string;
  readonly ifname: string;
}

/** Other plugins, by their type; found on CNI_PATH, and given the call's configuration as it came. */
export interface Delegate {
  /** An ADD that fails is followed by a DEL. The result is what the configuration's version can say. */
  add(type: string, call: Call): Promise<Result>;
  del(type: string, call: Call): Promise<void>;
  check(type: string, call: Call): Promise<void>;
  gc(type: string, call: Call): Promise<void>;
  /** Throws code 50 when there is no such plugin. */
  status(type: string, call: Call): Promise<void>;
}

/** What the program gives to the plugin that it runs. */
export interface Tools {
  readonly delegate: Delegate;
  /** Asked by another plugin of this process, which sees by its link whether an earlier attempt died. */
  readonly isDelegated: boolean;
}

/** What the composition root gives to the program: the process it runs in. Streams are written whole. */
export interface Io {
  /** All of stdin, or `limit` + 1 bytes of what is longer. */
  readStdin(limit: number): Uint8Array;
  writeStdout(text: string): void;
  writeStderr(text: string): void;
  /** Whether a path leads to the netns of this process; false for what cannot be opened. */
  isOwnNetns(path: string): boolean;
  /** Whether a path leads to a regular file. */
  isFile(path: string): boolean;
  /** Whether a path leads to the program that this process is: same device, same inode. */
  isOwnExecutable(path: string): boolean;
}

/** Makes a plugin of ours; loads it then, and not before. */
export type Loaders = Readonly<Record<string, (tools: Tools) => Promise<Plugin>>>;
