import { readFileSync } from "node:fs";
import type { PrivateHost } from "./host.ts";
import { type Output, type RunOptions, run } from "./run.ts";
import { until } from "./until.ts";

/** A systemd that was booted on a private host. It ends with the host, if not before. */
export interface Booted {
  /** Runs a program among what it manages, to its end. */
  run(argv: readonly string[], options?: RunOptions): Promise<Output>;
  /** The same for a program that has to succeed; answers its standard output. */
  must(...argv: readonly string[]): Promise<string>;
  /** The same file as seen from the machine's own mount namespace; /run is another at each boot. */
  outside(path: string): string;
  /** `systemctl poweroff`, until it has ended. */
  powerOff(): Promise<void>;
  /** Every process ends at once. */
  cutPower(): Promise<void>;
}

/** No more than a bus and a journal, so that nothing else happens on this host. */
const TARGET = `[Unit]
Description=as little as it takes
DefaultDependencies=no
Requires=dbus.socket systemd-journald.service
After=dbus.socket
`;

/** `unit`: what is booted; `multi-user.target` is all that the host's packages want. */
export async function bootSystemd(host: PrivateHost, unit = "boot-test.target"): Promise<Booted> {
  await Bun.write(host.outside("/etc/systemd/system/boot-test.target"), TARGET);
  await Bun.write(host.outside("/run/boot.sh"), Bun.file(`${import.meta.dir}/boot.sh`));
  const boot = await host.start(["bash", "/run/boot.sh", host.cgroup, unit]);
  const hopeless = () => (boot.hasEnded() ? boot.lines.join("\n") : undefined);
  const pid = await until("systemd is there", () => systemdBelow(boot.pid), { hopeless });
  const inside = ["nsenter", "--target", String(pid), "--mount", "--net", "--pid", "--cgroup", "--"];
  const env = { PATH: host.engine.path, HOME: "/root", LC_ALL: "C.UTF-8" };
  const booted = {
    run: (argv: readonly string[], options: RunOptions = {}) =>
      run([...inside, ...argv], { env, ...options }),
    must: async (...argv: readonly string[]) => {
      const output = await booted.run(argv);
      if (output.code !== 0)
        throw new Error(`exit ${output.code}: ${argv.join(" ")}\n${output.stderr}${output.stdout}`);
      return output.stdout.trimEnd();
    },
    outside: (path: string) => `/proc/${pid}/root${path}`,
    powerOff: async () => {
      await booted.run(["systemctl", "poweroff"]);
      await boot.exited;
    },
    cutPower: async () => {
      boot.kill("SIGKILL");
      await boot.exited;
    },
  };
  await until(
    "systemd has booted",
    async () => /running|degraded/.test((await booted.run(["systemctl", "is-system-running"])).stdout),
    { hopeless, withinMs: 20_000 },
  );
  return booted;
}

/** The script becomes unshare, whose child becomes systemd. */
function systemdBelow(pid: number): number | undefined {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  const child = children === "" ? undefined : Number(children.split(" ")[0]);
  if (child === undefined) return undefined;
  return readFileSync(`/proc/${child}/comm`, "utf8").trim() === "systemd" ? child : undefined;
}
