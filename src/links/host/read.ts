import { existsSync, readFileSync, statSync } from "node:fs";

/** The machine's files as text. What is not there, or not for this user, is undefined: a check is then skipped in words. */
export interface Files {
  /** Without white space at both ends. */
  readonly text: (path: string) => string | undefined;
  readonly exists: (path: string) => boolean;
  readonly inode: (path: string) => number | undefined;
}

export const MACHINE_FILES: Files = {
  text: (path) => unlessOutOfReach(() => readFileSync(path, "utf8").trim()),
  exists: existsSync,
  inode: (path) => unlessOutOfReach(() => statSync(path).ino),
};

/** Every system error is a way of being out of reach: /sys and /proc answer ENODEV, EINVAL, EIO as well as EACCES. */
function unlessOutOfReach<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && "syscall" in error) return undefined;
    throw error;
  }
}
