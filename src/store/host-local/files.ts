import { formatIp, type Ip, parseIp } from "../../lib/ip.ts";
import {
  linkFile,
  nameFile,
  O,
  type OpenFile,
  openFile,
  openUnnamed,
  readAt,
  readFile,
  statusOf,
  truncateFile,
  unlinkFile,
  writeAll,
  writeAt,
} from "../../sys/file.ts";
import type { Libc } from "../../sys/libc.ts";
import type { HostLocalStep } from "./steps.ts";

/**
 * host-local's files, one by one, as the reference plugin writes and reads them: a file named by the address, in it the
 * container's id, CR LF, the interface, no end of line. Source: containernetworking/plugins v1.9.1, `disk/backend.go`.
 */

/** Who has an address. The text is what the file says. */
export function ownerText({ container, ifname }: { container: string; ifname: string }): string {
  return `${container.trim()}\r\n${ifname}`;
}

/** Files of old say the container's id only, which is any interface of it. */
export function legacyText({ container }: { container: string }): string {
  return container.trim();
}

const CURSOR = "last_reserved_ip.";

/** The address that a file is named by; undefined for the lock, the cursors and what else people leave there. */
export function addressNamed(name: string): Ip | undefined {
  const ip = parseIp(name);
  return ip && (ip.family === 4 || formatIp(ip) === name) ? ip : undefined;
}

export interface FileMark {
  readonly ino: number;
  readonly changed: bigint;
}

export class ReservationFiles {
  readonly #libc: Libc;
  readonly #path: string;
  readonly #step: (step: HostLocalStep) => void;
  /** A longer file is no reservation. */
  readonly #buffer = new Uint8Array(1024);
  readonly #decoder = new TextDecoder();

  constructor(libc: Libc, path: string, step: (step: HostLocalStep) => void) {
    this.#libc = libc;
    this.#path = path;
    this.#step = step;
  }

  /** What the file of an address is and says; undefined when it is free. An empty one says nothing. */
  look(ip: Ip): (FileMark & { readonly owner: string }) | undefined {
    const file = openFile(this.#libc, this.#file(ip), O.O_RDONLY, { unless: ["ENOENT"] });
    if (!file) return undefined;
    try {
      const length = readAt(this.#libc, file, this.#buffer, 0);
      const status = statusOf(this.#libc, file);
      const owner = this.#decoder.decode(this.#buffer.subarray(0, length)).trim();
      return status && { owner, ino: Number(status.ino), changed: status.changed };
    } finally {
      file.close();
    }
  }

  owner(ip: Ip): string | undefined {
    return this.look(ip)?.owner;
  }

  mark(ip: Ip): FileMark | undefined {
    const status = statusOf(this.#libc, this.#file(ip));
    return status && { ino: Number(status.ino), changed: status.changed };
  }

  /**
   * Undefined when the address is taken. The file appears whole or not at all: one that is empty would be given back by
   * nobody. Throws what the file system says.
   */
  reserve(ip: Ip, owner: string): FileMark | undefined {
    this.#step("address.reserve.before-file");
    const file = openUnnamed(this.#libc, this.#path, 0o600) ?? this.#openTemporary();
    const isTemporary = file.path !== this.#path;
    try {
      writeAll(this.#libc, file.fd, new TextEncoder().encode(owner), this.#file(ip));
      this.#step("address.reserve.after-content");
      const isOurs = isTemporary
        ? linkFile(this.#libc, file.path, this.#file(ip))
        : nameFile(this.#libc, file, this.#file(ip));
      this.#step("address.reserve.after-file");
      if (isTemporary) unlinkFile(this.#libc, file.path);
      if (!isOurs) return undefined;
      const status = statusOf(this.#libc, file);
      return status && { ino: Number(status.ino), changed: status.changed };
    } finally {
      file.close();
    }
  }

  /** False when it was free already. */
  free(ip: Ip): boolean {
    this.#step("address.release.before-file");
    const wasThere = unlinkFile(this.#libc, this.#file(ip));
    this.#step("address.release.after-file");
    return wasThere;
  }

  /** The address reserved last in a range set; undefined when there was none, or nobody can read it. */
  lastReserved(set: number): Ip | undefined {
    const bytes = readFile(this.#libc, this.#cursor(set));
    return bytes && parseIp(new TextDecoder().decode(bytes));
  }

  /** In place: of a process that dies between the two calls another address may be left, which is as good a place to go on. */
  setLastReserved(set: number, ip: Ip): void {
    const text = new TextEncoder().encode(formatIp(ip));
    const file = must(openFile(this.#libc, this.#cursor(set), O.O_RDWR | O.O_CREAT, { mode: 0o600 }));
    try {
      writeAt(this.#libc, file, text, 0);
      const size = statusOf(this.#libc, file)?.size ?? 0;
      if (size > text.length) truncateFile(this.#libc, file, text.length);
    } finally {
      file.close();
    }
    this.#step("address.reserve.after-cursor");
  }

  /** Its name is no address, so nobody takes it for a reservation. One left by who died may be a reservation's other name. */
  #openTemporary(): OpenFile {
    const path = `${this.#path}/.underlay-reservation`;
    unlinkFile(this.#libc, path);
    return must(openFile(this.#libc, path, O.O_WRONLY | O.O_CREAT | O.O_EXCL, { mode: 0o600 }));
  }

  #file(ip: Ip): string {
    return `${this.#path}/${formatIp(ip)}`;
  }

  #cursor(set: number): string {
    return `${this.#path}/${CURSOR}${set}`;
  }
}

function must(file: OpenFile | undefined): OpenFile {
  if (!file) throw new Error("no errno was excepted");
  return file;
}
