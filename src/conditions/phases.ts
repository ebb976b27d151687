import type { Log } from "../lib/log.ts";
import type { Finding } from "./condition.ts";

/** Says each finding once when it begins and once when it has ended. */
export class Phases {
  readonly #log: Log;
  #lasting: ReadonlyMap<string, Finding> = new Map();

  constructor(log: Log) {
    this.#log = log;
  }

  /** `now`: all that is found; what was found before and is not among them has ended. */
  tell(now: readonly Finding[]): void {
    const before = this.#lasting;
    this.#lasting = byIdentity(now);
    for (const [key, finding] of this.#lasting) if (!before.has(key)) this.#say("begins", finding);
    for (const [key, finding] of before) if (!this.#lasting.has(key)) this.#say("ended", finding);
  }

  #say(phase: "begins" | "ended", { id, severity, subject, message }: Finding): void {
    const level = phase === "ended" || severity === "info" ? "info" : "warn";
    this.#log(level, `condition ${phase}: ${message}`, { id, subject: subject.name });
  }
}

/** Each finding once. A message holds nothing that changes while the finding lasts; its evidence may. */
export function byIdentity(all: readonly Finding[]): ReadonlyMap<string, Finding> {
  return new Map(
    all.map((finding) => {
      const { id, subject, message } = finding;
      return [`${id} ${subject.kind} ${subject.name} ${message}`, finding];
    }),
  );
}
