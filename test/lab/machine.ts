import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Disk } from "./disk.ts";
import { type LineLog, makeLineLog } from "./line-log.ts";

/** One power cycle of a guest: a kernel that runs as a process of this machine. */
export interface Machine {
  /** Sends a line; see `agent.sh` for what is understood and answered. */
  wish(line: string): void;
  /** What it answers. */
  readonly answers: LineLog;
  /** Resolves when every process of it is gone, with the exit code of the kernel. */
  readonly exited: Promise<number>;
  hasEnded(): boolean;
  /** Takes the power away, and waits until every process of it is gone. */
  kill(): Promise<void>;
}

export interface MachineOptions {
  /** A root with linux.uml and its modules. */
  readonly kernel: string;
  /** Shared with the guest, with `init.sh` and `settings` in it. */
  readonly folder: string;
  readonly disk: Disk;
  /** Of its memory. */
  readonly megabytes: number;
  /** Where its console goes. */
  readonly console: LineLog;
}

/**
 * All of the machine's root but the shared folder is read-only for it. Its memory is a file, in a tmpfs that goes with its
 * mount namespace.
 */
const POWER = `
  mount --bind "$1" "$1"
  mount -o remount,bind,ro /
  mkdir -p "$1/ram"
  mount -t tmpfs -o "size=$(($2 * 2))M" ram "$1/ram"
  export TMPDIR="$1/ram"
  shift 2
  LD_PRELOAD=$LAB_CACHE "$@"
  exit $?
`;

/** Switches a guest on. It takes wishes when it has answered `lab ready`. */
export function switchOn(options: MachineOptions): Machine {
  const { kernel, folder, disk, megabytes } = options;
  const outer = Bun.spawn(
    [
      // Namespaces of its own, which die with the process that made them.
      ...["setpriv", "--pdeathsig=KILL", "unshare", "--net", "--mount", "--pid"],
      ...["--fork", "--kill-child=KILL", "--propagation=private"],
      ...["sh", "-euc", POWER, "power", folder, String(megabytes)],
      ...[join(kernel, "usr/bin/linux.uml"), `mem=${megabytes}M`, `uml_dir=${folder}/ram`, "noreboot"],
      ...[
        "root=/dev/root",
        "rootfstype=hostfs",
        "rootflags=/",
        "ro",
        `init=${folder}/init.sh`,
        `lab=${folder}`,
      ],
      ...[
        `ubd0=${disk.image}`,
        "con=null",
        "con0=null,fd:2",
        "ssl=null",
        "ssl0=fd:0,fd:1",
        "quiet",
        "loglevel=5",
      ],
    ],
    {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      env: {
        PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
        LAB_CACHE: disk.cache,
        LAB_DISK: disk.image,
        LAB_JOURNAL: disk.journal,
        TEST_RUN_OF_UNDERLAY: process.env["TEST_RUN_OF_UNDERLAY"] ?? "",
      },
    },
  );
  const answers = makeLineLog();
  const read = Promise.all([answers.read(outer.stdout), options.console.read(outer.stderr)]);
  const exited = (async () => {
    const code = await outer.exited;
    await read;
    answers.end(() => new Error(`the guest has ended, with exit code ${code}`));
    return code;
  })();

  return {
    answers,
    exited,
    hasEnded: () => outer.exitCode !== null || outer.signalCode !== null,
    wish: (line) => {
      outer.stdin.write(`${line}\n`);
      outer.stdin.flush();
    },
    kill: async () => {
      // PID 1 of the namespace is gone only when all others in it are: the disk is nobody's then.
      for (const pid of childrenOf(outer.pid)) process.kill(pid, "SIGKILL");
      await exited;
    },
  };
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return text === "" ? [] : text.split(" ").map(Number);
}
