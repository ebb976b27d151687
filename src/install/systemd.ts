import { existsSync } from "node:fs";
import { UnderlayError } from "../lib/errors.ts";
import { UNIT } from "./files.ts";

/** The service manager of the running host. It is asked about our own unit only, never about Docker's. */
export interface Systemd {
  /** Makes our unit start at boot, and run now as it is installed now. */
  enable(restart: boolean): Promise<void>;
  disable(): Promise<void>;
  reload(): Promise<void>;
  /** Pid of the daemon that it runs; undefined when it runs none. */
  mainPid(): Promise<number | undefined>;
}

/** sd_booted(3). */
const BOOTED = "/run/systemd/system";

/** Undefined when the host was not booted with systemd, or when files go to some other root. */
export function findSystemd(root: string): Systemd | undefined {
  if (root !== "/" || !existsSync(BOOTED)) return undefined;
  const reload = async () => void (await systemctl("daemon-reload"));
  return {
    reload,
    async enable(restart) {
      await reload();
      await systemctl("enable", UNIT);
      await systemctl(restart ? "restart" : "start", UNIT);
    },
    disable: async () => void (await systemctl("disable", "--now", UNIT)),
    async mainPid() {
      const pid = Number(await systemctl("show", "--property=MainPID", "--value", UNIT));
      return pid > 0 ? pid : undefined;
    },
  };
}

async function systemctl(...args: readonly string[]): Promise<string> {
  const child = Bun.spawn(["systemctl", ...args], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code === 0) return out.trim();
  const said = err.trim().split("\n")[0] ?? "";
  throw new UnderlayError(
    "state",
    `systemctl ${args.join(" ")} failed (${code}): ${said}; see journalctl -u ${UNIT}`,
  );
}
