import { asUnderlayError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { Libc } from "../sys/libc.ts";
import { notifyManager } from "../sys/notify.ts";

/** The service manager, told by sd_notify(3) when we serve, that we live, and when we stop. */
export interface ServiceManager {
  /** READY=1, and WATCHDOG=1 twice in each watchdog period. Returns what ends the latter. */
  ready(): () => void;
  stopping(): void;
}

/** A manager that is busy with many services has a full queue for a moment. */
const WHEN_FULL = { tries: 100, pause: 50 } as const;

/**
 * Without $NOTIFY_SOCKET nobody is told. A manager that cannot be told is no reason to stop serving: systemd's own
 * services disregard the result of sd_notify. It is logged once, until a message gets through again.
 */
export function serviceManager(
  libc: Libc,
  env: Readonly<Record<string, string | undefined>>,
  log: Log,
): ServiceManager {
  const socket = env["NOTIFY_SOCKET"];
  let deaf = false;

  function tell(state: readonly string[], tries: number): void {
    if (!socket) return;
    try {
      notifyManager(libc, socket, state);
      deaf = false;
    } catch (thrown) {
      const { errno, message } = asUnderlayError(thrown);
      if (errno === "EAGAIN" && tries > 1) {
        setTimeout(() => tell(state, tries - 1), WHEN_FULL.pause).unref();
        return;
      }
      if (!deaf)
        log("warn", "the service manager cannot be told", { socket, state: state[0], error: message });
      deaf = true;
    }
  }

  return {
    ready() {
      tell(["READY=1", `MAINPID=${process.pid}`], WHEN_FULL.tries);
      const period = Number(env["WATCHDOG_USEC"] ?? 0) / 1000;
      const forUs = env["WATCHDOG_PID"] === undefined || Number(env["WATCHDOG_PID"]) === process.pid;
      if (!(period > 0) || !forUs) return () => undefined;
      const timer = setInterval(() => tell(["WATCHDOG=1"], 1), period / 2);
      return () => clearInterval(timer);
    },
    stopping: () => tell(["STOPPING=1"], 1),
  };
}
