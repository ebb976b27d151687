import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { Protocol } from "./rules.ts";

/** Which process has a port of the host's: proc(5), `/proc/net/tcp` and the sockets among a process's descriptors. */

/** TCP_LISTEN of `<netinet/tcp.h>`; a UDP socket that has a port stands as TCP_CLOSE. */
const STATE = { tcp: "0A", udp: "07" } as const;

/** `nginx (process 123)`. Undefined when no process can be told: another user's, one in another pid namespace, or SCTP. */
export function processWith(protocol: Protocol, port: number, proc = "/proc"): string | undefined {
  if (protocol === "sctp") return undefined;
  const wanted = new Set(socketsAt(protocol, port, proc).map((inode) => `socket:[${inode}]`));
  if (wanted.size === 0) return undefined;
  const pids = readdirSync(proc).filter((name) => /^\d+$/.test(name));
  const pid = pids.find((candidate) => hasOneOf(`${proc}/${candidate}/fd`, wanted));
  if (pid === undefined) return undefined;
  const name = unlessGone(() => readFileSync(`${proc}/${pid}/comm`, "utf8").trim()) ?? "a program";
  return `${name} (process ${pid})`;
}

/** Whether somebody has it, if only the kernel itself. */
export function hasSocket(protocol: keyof typeof STATE, port: number, proc = "/proc"): boolean {
  return socketsAt(protocol, port, proc).length > 0;
}

/** Inodes. */
function socketsAt(protocol: keyof typeof STATE, port: number, proc: string): string[] {
  return [protocol, `${protocol}6`].flatMap((table) => {
    const lines = unlessGone(() => readFileSync(`${proc}/net/${table}`, "utf8"))?.split("\n") ?? [];
    return lines.flatMap((line) => socketIn(line, STATE[protocol], port));
  });
}

/** `0: 00000000:1F90 00000000:0000 0A … inode`: the tenth word is the inode. */
function socketIn(line: string, state: string, port: number): string[] {
  const [, local = "", , at, , , , , , inode] = line.trim().split(/\s+/);
  const isIt = at === state && Number.parseInt(local.split(":")[1] ?? "", 16) === port;
  return isIt && inode !== undefined ? [inode] : [];
}

function hasOneOf(folder: string, links: ReadonlySet<string>): boolean {
  const names = unlessGone(() => readdirSync(folder)) ?? [];
  return names.some((name) => links.has(unlessGone(() => readlinkSync(`${folder}/${name}`)) ?? ""));
}

/** Processes end while they are looked at, and those of others are not for everybody to see. */
function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && "syscall" in error) return undefined;
    throw error;
  }
}
