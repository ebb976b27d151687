import type { Libc } from "../sys/libc.ts";
import { notifyManager } from "../sys/notify.ts";

/** The service manager, told by sd_notify(3) when we serve, that we live, and when we stop. */
export interface ServiceManager {
  /** READY=1, and WATCHDOG=1 twice in each watchdog period. Returns what ends the latter. */
  ready(): () => void;
  stopping(): void;
}

/** Without $NOTIFY_SOCKET nobody is told. */
export function serviceManager(
  libc: Libc,
  env: Readonly<Record<string, string | undefined>>,
): ServiceManager {
  const socket = env["NOTIFY_SOCKET"];
  const tell = (...state: string[]) => {
    if (socket) notifyManager(libc, socket, state);
  };
  return {
    ready() {
      tell("READY=1", `MAINPID=${process.pid}`);
      const period = Number(env["WATCHDOG_USEC"] ?? 0) / 1000;
      const forUs = env["WATCHDOG_PID"] === undefined || Number(env["WATCHDOG_PID"]) === process.pid;
      if (!(period > 0) || !forUs) return () => undefined;
      const timer = setInterval(() => tell("WATCHDOG=1"), period / 2);
      return () => clearInterval(timer);
    },
    stopping: () => tell("STOPPING=1"),
  };
}
