import { fstatSync } from "node:fs";
import { isJournal, makeLog } from "../../daemon/log.ts";
import { SETTING_KEYS } from "../../daemon/settings.ts";
import { asUnderlayError } from "../../lib/errors.ts";
import { EXIT, exitCodeOf } from "../exit.ts";
import type { Call, Verb } from "../verb.ts";
import { VERSION } from "../version.ts";

/** What ends the daemon; a second one of the same kind ends it at once, as it would any process. */
const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;

async function daemon(call: Call): Promise<number> {
  const { env, io } = call;
  const config = await call.config();
  const { log_level, log_format } = config.values;
  const format = log_format === "auto" ? (io.stderrIsTty ? "text" : "json") : log_format;
  const journal = isJournal(env["JOURNAL_STREAM"], fstatSync(2));
  const logger = makeLog({ level: log_level, format, journal, write: io.stderr });
  const settings = [...config.settings].map(([key, { text, origin }]) => [key, `${text} (${origin.where})`]);
  logger.log("debug", "settings", Object.fromEntries(settings));
  const stopAsked = new Promise<string>((resolve) => {
    for (const signal of STOP_SIGNALS) process.once(signal, () => resolve(signal));
  });
  try {
    const { runDaemon } = await import("../../daemon/main.ts");
    await runDaemon(config, { env, version: VERSION, log: logger.log, stopAsked });
    return EXIT.done;
  } catch (thrown) {
    const error = asUnderlayError(thrown);
    logger.log("error", error.message, { code: error.code });
    return exitCodeOf(error.code);
  } finally {
    logger.flush();
  }
}

/** `underlay daemon`: what `src/daemon` is started with. */
export const daemonVerbs: readonly Verb[] = [
  {
    words: "daemon",
    settings: SETTING_KEYS,
    help: "serve Docker: drivers on unix sockets, the admin API, the reconcile loop",
    more: "Stays in the foreground and logs to stderr; SIGTERM ends it when what is in hand is done.",
    run: daemon,
  },
];
