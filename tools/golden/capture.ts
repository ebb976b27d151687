import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Case, SETUP, type Take } from "./cases.ts";
import { programOf } from "./programs.ts";

/**
 * Runs a command of `ip`, `bridge`, `nft` or `ethtool` under strace in a netns and mount namespace of its own, and gives back the netlink messages
 * that passed, as strace dumped them. No code of src takes part in it.
 */

export interface Passed {
  readonly direction: Take["direction"];
  readonly bytes: Uint8Array;
}

/** Both namespaces, and all that is in them, go with their last process. */
const SCRIPT = `
set -e
await() { n=0; until grep -q "$1" "$DIR/trace" 2>/dev/null; do n=$((n+1)); [ $n -lt 500 ]; sleep 0.01; done; }
mount -t tmpfs none /run
ip netns add there
while IFS= read -r line; do $line; done < "$DIR/before"
trace() {
  exec strace -o "$DIR/trace" -e trace=bind,sendmsg,recvmsg,sendto,recvfrom \
    -e raw=sendmsg,recvmsg,sendto,recvfrom -e read=all -e write=all $COMMAND
}
if [ -z "$MEANWHILE" ]; then (trace) || true; exit 0; fi
(trace) &
await '^bind('
ip $MEANWHILE
await 'bytes in buffer'
pkill -P $! # strace ends with the one it traces
wait $! || true
`;

/** The messages that the case's `take` asks for, sequence and port numbers zeroed. */
export function capture(wanted: Case): Uint8Array[] {
  const dir = mkdtempSync(join(tmpdir(), "golden-"));
  try {
    const { program, meanwhile = "" } = wanted;
    const [ip, own] = [programOf("ip"), programOf(program)];
    const before = [
      ...SETUP.map((line) => `${ip} ${line}`),
      ...(wanted.before ?? []).map((line) => `${own} ${line}`),
    ];
    writeFileSync(join(dir, "before"), before.map((line) => `${line}\n`).join(""));
    const command = `${own} ${wanted.command}`;
    const run = Bun.spawnSync(["unshare", "--net", "--mount", "bash", "-c", SCRIPT], {
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DIR: dir, COMMAND: command, MEANWHILE: meanwhile },
      stdout: "ignore",
      stderr: "pipe",
      timeout: 20_000,
    });
    if (run.exitCode !== 0) throw new Error(`${command}: ${run.stderr.toString()}`);
    const passed = parseTrace(readFileSync(join(dir, "trace"), "latin1"))
      .filter(({ direction }) => direction === wanted.take.direction)
      .flatMap(({ bytes }) => messagesOf(bytes))
      .filter((message) => isTaken(message, wanted.take))
      .map((message) => ("genericCommand" in wanted.take ? withoutFamily(message) : message));
    return { all: passed, first: passed.slice(0, 1), last: passed.slice(-1) }[wanted.take.which];
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** `struct genlmsghdr` stands behind the header of 16 bytes; families have the numbers from GENL_MIN_ID on, 16 knows the others. */
function isTaken(message: Uint8Array, take: Take): boolean {
  const type = viewOf(message).getUint16(4, true);
  if ("genericCommand" in take) return type > 16 && message[16] === take.genericCommand;
  return "type" in take ? type === take.type : take.types.includes(type);
}

/** The number that the kernel gave it at this boot. */
function withoutFamily(message: Uint8Array): Uint8Array {
  viewOf(message).setUint16(4, 0, true);
  return message;
}

/** strace names the call, then dumps its buffer: ` | 00010  ed ff ff ff 20 00 00 00  10 00 05 00 00 00 00 00  text |`. */
export function parseTrace(trace: string): Passed[] {
  const passed: { direction: Take["direction"]; pairs: string[] }[] = [];
  for (const line of trace.split("\n")) {
    const call = /^(send|recv)\w+\(/.exec(line);
    if (call) passed.push({ direction: call[1] === "send" ? "sent" : "received", pairs: [] });
    const dump = /^ \| [0-9a-f]+ {2}((?:[0-9a-f]{2} {1,2}){1,16})/.exec(line);
    if (dump) passed.at(-1)?.pairs.push(...(dump[1] ?? "").trim().split(/ +/));
  }
  return passed.map(({ direction, pairs }) => ({
    direction,
    bytes: Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16)),
  }));
}

function messagesOf(datagram: Uint8Array): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let at = 0; at + 16 <= datagram.length; ) {
    const length = viewOf(datagram).getUint32(at, true);
    if (length < 16 || at + length > datagram.length)
      throw new Error(`a trace that cannot be read: ${length} at ${at}`);
    const message = datagram.slice(at, at + length);
    viewOf(message).setUint32(8, 0, true);
    viewOf(message).setUint32(12, 0, true);
    messages.push(message);
    at += (length + 3) & ~3;
  }
  return messages;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
