import { existsSync } from "node:fs";
import type { PrivateHost, Running } from "./host.ts";
import type { Output } from "./run.ts";
import { until } from "./until.ts";

/** Where the daemon keeps its things on a private host. */
export const STATE_DIR = "/var/lib/underlay";
export const RUN_DIR = "/run/underlay";
export const PLUGIN_SOCKET = "/run/docker/plugins/underlay-macvlan.sock";

export const PROGRAM = "/opt/underlay/underlay";

/** `underlay daemon` on a private host, beside its dockerd. */
export interface Underlay {
  /** Starts it (again) and waits until Docker could talk to it. */
  start(options?: UnderlayOptions): Promise<void>;
  /** Starts it and answers how it ended; for a start that is refused. */
  startAndFail(options?: UnderlayOptions): Promise<Output>;
  /** Kills it as a crash would. */
  kill9(): Promise<void>;
  /** Ends it in an orderly way; answers its exit code. */
  stop(): Promise<number>;
  /** Resolves when the process that runs now has ended. */
  ended(): Promise<number>;
  isRunning(): boolean;
  /** Pid of the machine. */
  pid(): number;
  /** All lines that it has logged so far, of all its lives. */
  lines(): readonly string[];
  /** Runs a verb of the command line, which has to succeed; answers its standard output. */
  cli(...args: string[]): Promise<string>;
  tryCli(...args: string[]): Promise<Output>;
}

export interface UnderlayOptions {
  /** `network.ensure.after-record:kill`: where the daemon kills itself. */
  readonly fault?: string;
  /** `--stale-after`; short unless told, so that a test need not wait a minute. */
  readonly staleAfter?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** With which the daemon is started in a test, wherever it runs. */
export const FLAGS = [
  `--state-dir=${STATE_DIR}`,
  `--run-dir=${RUN_DIR}`,
  "--plugin-dir=/run/docker/plugins",
  "--log-format=json",
  "--log-level=debug",
  "--reconcile-interval=1s",
];

/** A daemon for a host; it is not started yet. It ends with the host. */
export function prepareUnderlay(host: PrivateHost): Underlay {
  if (!existsSync(host.outside(PROGRAM))) throw new Error("dist/underlay is missing: run `make build`");
  const lives: Running[] = [];

  const current = (): Running => {
    const last = lives.at(-1);
    if (last === undefined) throw new Error("the daemon was never started");
    return last;
  };
  const launch = async (options: UnderlayOptions): Promise<Running> => {
    const env = { ...(options.fault === undefined ? {} : { UNDERLAY_FAULT: options.fault }), ...options.env };
    const process = await host.start(
      [PROGRAM, "daemon", ...FLAGS, `--stale-after=${options.staleAfter ?? "3s"}`],
      env,
    );
    lives.push(process);
    return process;
  };
  const tryCli = (...args: string[]) => host.run([PROGRAM, ...args]);

  return {
    start: async (options = {}) => {
      const process = await launch(options);
      await until("the daemon serves Docker", () => activates(host), {
        hopeless: () => (process.hasEnded() ? process.lines.slice(-10).join("\n") : undefined),
      });
    },
    startAndFail: async (options = {}) => {
      const process = await launch(options);
      const code = await process.exited;
      return { code, stdout: "", stderr: process.lines.join("\n") };
    },
    kill9: async () => {
      current().kill("SIGKILL");
      await current().exited;
    },
    stop: () => {
      current().kill("SIGTERM");
      return current().exited;
    },
    ended: () => current().exited,
    isRunning: () => !current().hasEnded(),
    pid: () => current().pid,
    lines: () => lives.flatMap((process) => process.lines),
    tryCli,
    cli: async (...args) => {
      const output = await tryCli(...args);
      if (output.code !== 0)
        throw new Error(`exit ${output.code}: underlay ${args.join(" ")}\n${output.stderr}`);
      return output.stdout.trimEnd();
    },
  };
}

async function activates(host: PrivateHost): Promise<boolean> {
  const reply = await fetch("http://plugin/Plugin.Activate", {
    method: "POST",
    unix: host.outside(PLUGIN_SOCKET),
  });
  return reply.ok;
}
