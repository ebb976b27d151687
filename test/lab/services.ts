import { dirname, join } from "node:path";
import { FLAGS, PLUGIN_SOCKET, PROGRAM } from "../ground/daemon.ts";
import { DOCKERD, IMAGE, IMPORT_BUSYBOX } from "../ground/dockerd.ts";
import type { Output } from "../ground/run.ts";
import { DRIVER } from "../ground/scene.ts";
import type { DockerCall } from "../live/docker-calls.ts";
import { EndedError, type Guest, type GuestProcess } from "./guest.ts";

/** A guest has one slow CPU: a look round every second would be half of what it does. */
const GUEST_FLAGS = [
  ...FLAGS.filter((flag) => !flag.startsWith("--reconcile-interval")),
  "--reconcile-interval=5s",
];

/**
 * StartLimitBurst of docker.service, which has Restart=always: a dockerd gives up when its containerd is not there within
 * 15 s, and user-mode Linux has one slow CPU.
 */
const DOCKERD_STARTS = 3;

/** A minimal Debian has no client for HTTP on a unix socket; the program has one in its runtime. */
const CALL = `
  const answers = [];
  for (const [method, message] of JSON.parse(process.env.CALLS)) {
    const url = "http://plugin/NetworkDriver." + method;
    const options = { method: "POST", unix: process.env.SOCKET, body: JSON.stringify(message) };
    answers.push(await (await fetch(url, options)).json());
  }
  console.log(JSON.stringify(answers));
`;

/** A dockerd, and our daemon beside it, in a guest. After a boot a scenario starts them, in the order it wants. */
export interface Services {
  /** Starts `underlay daemon`, and waits until it is ready. `fault`: the step at which it kills itself. */
  underlay(fault?: string): Promise<GuestProcess>;
  /** Starts dockerd, with more flags if told so, and waits until its API listens. */
  dockerd(...flags: readonly string[]): Promise<GuestProcess>;
  /** Starts dockerd, which may wait for a plugin before its API listens, and waits until it has said that. */
  dockerdAlone(waited: RegExp): Promise<GuestProcess>;
  /** Gives dockerd the busybox image; it stays on the disk. */
  image(): Promise<void>;
  /** Runs the command line client; the command has to succeed. Answers its standard output. */
  docker(...args: string[]): Promise<string>;
  tryDocker(...args: string[]): Promise<Output>;
  /** Runs a verb of ours, which has to succeed; answers its standard output. */
  cli(...args: string[]): Promise<string>;
  /** Says to our driver what a dockerd would; answers what it answers, which is an error when it has `Err`. */
  call(...call: DockerCall): Promise<Record<string, unknown>>;
  /** The same for several calls to a driver by its name, one after the other, in one process: each costs half a second. */
  calls(driver: string, calls: readonly DockerCall[]): Promise<readonly Record<string, unknown>[]>;
  /** How many containers `docker run`, `start` or `restart` has started: each costs seconds. */
  containersStarted(): number;
}

/** Another machine than the guest itself, inside it: namespaces of its own. */
export interface Within {
  readonly name: string;
  /** What goes before a command that is run there. */
  readonly enter: string;
}

export function servicesOf(guest: Guest, within?: Within): Services {
  let started = 0;
  const enter = within === undefined ? "" : `${within.enter} `;
  const nameOf = (service: string) => (within === undefined ? service : `${service} on ${within.name}`);
  const command = (args: readonly string[]) =>
    enter + ["docker", "--host=unix:///run/docker.sock", ...args].map(quoted).join(" ");
  const count = (args: readonly string[]) => {
    if (/^(run|start|restart)$/.test(args[0] ?? "")) started++;
  };
  const calls: Services["calls"] = async (driver, list) => {
    const env = {
      BUN_BE_BUN: "1",
      SOCKET: join(dirname(PLUGIN_SOCKET), `${driver}.sock`),
      CALLS: JSON.stringify(list),
    };
    const words = Object.entries(env).map(([name, value]) => `${name}=${quoted(value)}`);
    return JSON.parse(await guest.must(`${enter}env ${words.join(" ")} ${PROGRAM} -e ${quoted(CALL)}`));
  };
  async function startDockerd(waited: RegExp, flags: readonly string[] = []): Promise<GuestProcess> {
    await guest.must(`${enter}sh -c 'echo "{}" >/run/docker-test.json'`);
    for (let left = DOCKERD_STARTS; ; left--) {
      const dockerd = await guest.start(
        nameOf("dockerd"),
        `exec ${enter}${[...DOCKERD, ...flags].join(" ")}`,
      );
      try {
        await dockerd.said(waited);
        return dockerd;
      } catch (error) {
        if (!(error instanceof EndedError) || left === 1) throw error;
        process.stderr.write(`${error.message}; it is started again\n`);
      }
    }
  }
  return {
    underlay: async (fault) => {
      const env = fault === undefined ? [] : ["env", `UNDERLAY_FAULT=${fault}:kill`];
      const command = [...env, PROGRAM, "daemon", ...GUEST_FLAGS];
      const daemon = await guest.start(nameOf("underlay"), `exec ${enter}${command.join(" ")}`);
      await daemon.said(/"message":"ready"/);
      return daemon;
    },
    dockerd: (...flags) => startDockerd(/API listen on/, flags),
    dockerdAlone: (waited) => startDockerd(waited),
    image: async () => {
      await guest.must(`exec ${enter}bash -euc ${quoted(IMPORT_BUSYBOX)} ${IMAGE}`);
    },
    docker: (...args) => {
      count(args);
      return guest.must(command(args));
    },
    tryDocker: (...args) => {
      count(args);
      return guest.run(command(args));
    },
    cli: (...args) => guest.must(enter + [PROGRAM, ...args].map(quoted).join(" ")),
    call: async (...call) => (await calls(DRIVER, [call]))[0] ?? {},
    calls,
    containersStarted: () => started,
  };
}

/** For a shell. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
