import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { PrivateHost, Running } from "./host.ts";
import type { Output, RunOptions } from "./run.ts";
import { until } from "./until.ts";

/** A containerd on a private host, with data and sockets of its own, and its client `ctr`, which starts the CNI plugins. */
export interface Containerd {
  readonly host: PrivateHost;
  /** The command has to succeed; answers its standard output. */
  ctr(...args: string[]): Promise<string>;
  tryCtr(args: readonly string[], options?: RunOptions): Promise<Output>;
  /** `ctr run --cni` of a container that goes on until it is killed. */
  runDetached(id: string): Promise<void>;
  /** What a container that runs has to say. */
  exec(id: string, ...argv: string[]): Promise<string>;
  /** Ends a container as a person does, and what `ctr run -d` leaves to nobody: its attachment. */
  remove(id: string): Promise<void>;
  stop(): Promise<void>;
}

/** Name of the busybox image. */
export const IMAGE = "busybox";

/** Where `ctr` looks, whatever its version. */
export const NET_D = "/etc/cni/net.d";
export const BIN_DIR = "/opt/cni/bin";

const CONFIG = `version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n`;

/** Makes an image of the root's static busybox that every containerd can import. Argument: the name that it gets. */
const IMPORT_BUSYBOX = `
  mkdir -p /tmp/image/bin /tmp/image/etc /tmp/image/proc /tmp/image/sys /tmp/image/dev /tmp/image/tmp /tmp/archive
  cp "$(command -v busybox)" /tmp/image/bin/busybox
  for each in sh ip ping sleep cat ls true arping; do ln -sf busybox /tmp/image/bin/$each; done
  tar -C /tmp/image -cf /tmp/archive/layer.tar .
  digest=$(sha256sum /tmp/archive/layer.tar | cut -d' ' -f1)
  cat >/tmp/archive/config.json <<END
{"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/sh"],"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:$digest"]},"history":[{"created":"2020-01-01T00:00:00Z","created_by":"test"}]}
END
  printf '[{"Config":"config.json","RepoTags":["%s:test"],"Layers":["layer.tar"]}]' "$0" >/tmp/archive/manifest.json
  tar -C /tmp/archive -cf /tmp/image.tar manifest.json config.json layer.tar
  ctr image import /tmp/image.tar
  ctr image tag "$(ctr image ls -q)" "$0"
`;

export async function startContainerd(host: PrivateHost): Promise<Containerd> {
  await Bun.write(host.outside("/run/containerd-test.toml"), CONFIG);
  const daemon: Running = await host.start(["containerd", "--config", "/run/containerd-test.toml"]);
  const tryCtr = (args: readonly string[], options: RunOptions = {}) =>
    host.run(["ctr", ...args], { timeoutMs: 60_000, ...options });
  const ctr = async (...args: string[]) => {
    const { code, stdout, stderr } = await tryCtr(args);
    if (code !== 0) throw new Error(`exit ${code}: ctr ${args.join(" ")}\n${stderr}`);
    return stdout.trimEnd();
  };
  await until("containerd answers", async () => (await tryCtr(["version"])).code === 0, {
    withinMs: 20_000,
    everyMs: 100,
    hopeless: () => (daemon.hasEnded() ? `it has ended:\n${daemon.lines.join("\n")}` : undefined),
  });
  await host.must(["sh", "-euc", IMPORT_BUSYBOX, IMAGE]);
  return {
    ...{ host, ctr, tryCtr },
    runDetached: async (id) => void (await ctr("run", "-d", "--cni", IMAGE, id, "sleep", "1000")),
    exec: (id, ...argv) => ctr("task", "exec", "--exec-id", `x${crypto.randomUUID()}`, id, ...argv),
    async remove(id) {
      const row = async () => (await ctr("task", "ls")).split("\n").find((line) => line.startsWith(`${id} `));
      // Of a container whose network failed there is a task in 1.6, and none in 2.x.
      if ((await row()) !== undefined) {
        await ctr("task", "kill", "-s", "9", id);
        await until(`${id} has ended`, async () => !/RUNNING|CREATED/.test((await row()) ?? ""));
      }
      if ((await row()) !== undefined) await ctr("task", "rm", id);
      await ctr("container", "rm", id);
    },
    async stop() {
      daemon.kill("SIGTERM");
      await daemon.exited;
    },
  };
}

/** Puts plugins of others into the folder of a private host. */
export function copyPlugins(host: PrivateHost, from: string, names: readonly string[], to = BIN_DIR): void {
  mkdirSync(host.outside(to), { recursive: true });
  for (const name of names) cpSync(join(from, name), host.outside(join(to, name)));
}
