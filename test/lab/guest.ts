import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Age, type DockerEngine, findEngine } from "../ground/engines.ts";
import { findSwitch } from "../ground/ovs.ts";
import { findBootingSystem } from "../ground/packaging.ts";
import { must, type Output } from "../ground/run.ts";
import { makeDisk } from "./disk.ts";
import { makeLineLog } from "./line-log.ts";
import { type Machine, switchOn } from "./machine.ts";

const REPOSITORY = resolve(import.meta.dir, "../..");
const MEGABYTES = 1024;
const DEFAULT_TIMEOUT_MS = 60_000;
const BOOT_MS = 120_000;
/** What a guest may need on top of a script's own time to answer that it ended. */
const GRACE_MS = 15_000;

/** A script's end: exit code, output, and how long it took. */
export interface Ran extends Output {
  readonly ms: number;
}

export interface ScriptOptions {
  /** A minute unless told; then the script is killed, with code 124. */
  readonly timeoutMs?: number;
}

/**
 * A virtual machine with a kernel that has macvlan, ipvlan, 8021q, dummy, bonding, openvswitch and so on as modules. Its
 * file system is the root of a Docker age, seen through hostfs, with the guest's own disk over it; our program is
 * /opt/underlay/underlay. `lan0` is its NIC; the cable ends at `lan1` in the netns `router`.
 *
 * Nothing of it is seen by the machine, by other guests, or after it was disposed of.
 */
export interface Guest extends AsyncDisposable {
  readonly engine: DockerEngine;
  /** Switches it on; answers after how many milliseconds it could be used. */
  boot(): Promise<number>;
  /** Runs a shell script (bash -eu) in it to its end. */
  run(script: string, options?: ScriptOptions): Promise<Ran>;
  /** The same for a script that has to succeed; answers its standard output without the last line feed. */
  must(script: string, options?: ScriptOptions): Promise<string>;
  /**
   * Starts a script that goes on, which should `exec` its program. Its lines are in the log after `NAME: `. At a reboot
   * it is ended in an orderly way.
   */
  start(name: string, script: string): Promise<GuestProcess>;
  /** Ends what was started, last first, powers off in an orderly way, and boots. */
  reboot(): Promise<number>;
  /**
   * Power cut: nothing of it runs any more. Its disk has lost everything that was written since the last flush, as one
   * with a write cache does; answers how many writes. It stays off until `boot`.
   */
  cut(): Promise<number>;
  /** Its console since the first boot: kernel, init, and all that was started. */
  log(): readonly string[];
}

/** What was started in a guest has ended before it said what it was to say. */
export class EndedError extends Error {}

/** What goes on in a guest. */
export interface GuestProcess {
  /** Exit code; 128 + signal for a signal. */
  readonly ended: Promise<number>;
  /** The first line that it logs, or has logged, that matches; rejects with EndedError when it ends before. */
  said(pattern: RegExp): Promise<string>;
  signal(signal: NodeJS.Signals): void;
}

/**
 * What is installed: the dockerd of an age, started by the scenario; or a Debian whose systemd boots and starts its own
 * dockerd, without NetworkManager and bridges of its own.
 */
export type System = Age | "systemd";

export interface GuestOptions {
  /** Whose programs are installed, too; none are unless told. `switch.ts` starts them. */
  readonly ovs?: Age;
  /** Another Debian root that it sees: `chroot /opt/tools iperf3` runs a program of it. */
  readonly tools?: string;
}

/** Makes a guest, which is off. */
export async function makeGuest(system: System, { ovs, tools = "" }: GuestOptions = {}): Promise<Guest> {
  const [engine, kernel, ovsRoot] = await Promise.all([
    system === "systemd" ? findBootingSystem() : findEngine(system),
    findKernel(),
    ovs === undefined ? undefined : findSwitch(ovs).then(({ root }) => root),
  ]);
  await using undo = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "underlay-lab-"));
  undo.defer(() => rmSync(folder, { recursive: true }));
  for (const name of ["init.sh", "agent.sh", "agent.service"])
    cpSync(join(import.meta.dir, name), join(folder, name));
  chmodSync(join(folder, "init.sh"), 0o755);
  const settings = {
    ROOT: engine.root,
    SEARCH: engine.path,
    INIT: system === "systemd" ? "systemd" : "agent",
    DIST: join(REPOSITORY, "dist"),
    KERNEL: kernel,
    OVS: ovsRoot ?? "",
    TOOLS: tools,
  };
  await Bun.write(
    join(folder, "settings"),
    Object.entries(settings)
      .map(([name, value]) => `${name}='${value}'\n`)
      .join(""),
  );
  const disk = await makeDisk(folder);

  const console = makeLineLog();
  let machine: Machine | undefined;
  let last = 0;
  undo.defer(() => machine?.kill());

  const on = (): Machine => {
    if (machine === undefined || machine.hasEnded()) throw new Error("the guest is off");
    return machine;
  };
  const send = async (script: string) => {
    const id = `${++last}`;
    await Bun.write(join(folder, `${id}.sh`), script);
    return id;
  };
  const take = (name: string) => {
    const text = readFileSync(join(folder, name), "utf8");
    rmSync(join(folder, name));
    return text;
  };

  const boot = async () => {
    if (machine !== undefined && !machine.hasEnded()) throw new Error("the guest is on already");
    const started = performance.now();
    machine = switchOn({ kernel, folder, disk, megabytes: MEGABYTES, console });
    await within(BOOT_MS, machine.answers.match(/^lab ready$/));
    return performance.now() - started;
  };
  const run = async (script: string, options: ScriptOptions = {}): Promise<Ran> => {
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const id = await send(script);
    const started = performance.now();
    const { wish, answers } = on();
    wish(`run ${id} ${timeoutMs / 1000}`);
    const ended = await within(timeoutMs + GRACE_MS, answers.match(new RegExp(`^lab ended ${id} (\\d+)$`)));
    const ms = performance.now() - started;
    rmSync(join(folder, `${id}.sh`));
    return { code: Number(ended[1]), stdout: take(`${id}.out`), stderr: take(`${id}.err`), ms };
  };

  const owned = undo.move();
  return {
    engine,
    boot,
    run,
    must: async (script, options) => {
      const { code, stdout, stderr } = await run(script, options);
      if (code !== 0) throw new Error(`exit ${code} in the guest: ${script}\n${stderr}${stdout}`);
      return stdout.trimEnd();
    },
    start: async (name, script) => {
      const id = await send(script);
      const from = console.lines.length;
      const { wish, answers } = on();
      wish(`start ${id} ${name}`);
      await within(GRACE_MS, answers.match(new RegExp(`^lab started ${id}$`)));
      const ended = answers.match(new RegExp(`^lab ended ${id} (\\d+)$`)).then((match) => Number(match[1]));
      // Who does not wait for its end need not hear that the guest ended first.
      ended.catch(() => undefined);
      const died = ended.then((code) => {
        const said = console.lines.slice(from).filter((line) => line.startsWith(`${name}: `));
        throw new EndedError(`${name} has ended in the guest, with exit code ${code}: ${said.at(-1)}`);
      });
      died.catch(() => undefined);
      return {
        ended,
        said: async (pattern) => {
          const line = new RegExp(`^${name}: (.*${pattern.source}.*)$`, pattern.flags);
          const match = await within(DEFAULT_TIMEOUT_MS, Promise.race([console.match(line, from), died]));
          return match[1] ?? "";
        },
        signal: (signal) => wish(`signal ${id} ${signal.slice("SIG".length)}`),
      };
    },
    reboot: async () => {
      const running = on();
      running.wish("off");
      await within(DEFAULT_TIMEOUT_MS, running.exited);
      return boot();
    },
    cut: async () => {
      await on().kill();
      return disk.losePower();
    },
    log: () => console.lines,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A Debian root with a kernel for guests and its modules; made when it is missing (40 s and 250 MB, once). */
function findKernel(): Promise<string> {
  const script = join(REPOSITORY, "tools/debian-root.sh");
  return must([script, "uml", "bookworm", "user-mode-linux,kmod"], { timeoutMs: 600_000 });
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`the guest has not answered within ${ms / 1000} s`)), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
