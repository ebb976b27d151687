import type { Log } from "../lib/log.ts";
import type { Finding } from "./condition.ts";

/** What is kept of a finding while it lasts: what is said when it has ended. */
interface Lasting {
  readonly id: string;
  readonly subject: string;
  readonly message: string;
  /** How many sources found it. */
  times: number;
}

/**
 * Says each finding once when it begins and once when it has ended, whoever found it. Each source tells anew what it
 * finds, and no other is asked again for that.
 */
export class Phases {
  readonly #log: Log;
  readonly #lasting = new Map<string, Lasting>();
  /** Identities of what each source found last; a source without any is not here. */
  readonly #found = new Map<string, readonly string[]>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** `now`: of each source all that it finds; what it found before and does not find now has ended, for it. */
  tell(now: Iterable<readonly [source: string, findings: readonly Finding[]]>): void {
    const left = new Set<string>();
    for (const [source, findings] of now) {
      for (const key of this.#found.get(source) ?? []) {
        const lasting = this.#lasting.get(key);
        if (lasting && --lasting.times === 0) left.add(key);
      }
      const found = byIdentity(findings);
      if (found.size > 0) this.#found.set(source, [...found.keys()]);
      else this.#found.delete(source);
      for (const [key, finding] of found) this.#note(key, finding);
    }
    // Only now: what one source finds no more, a later one may.
    for (const key of left) {
      const lasting = this.#lasting.get(key);
      if (lasting?.times !== 0) continue;
      this.#lasting.delete(key);
      this.#log("info", `condition ended: ${lasting.message}`, { id: lasting.id, subject: lasting.subject });
    }
  }

  #note(key: string, { id, severity, subject, message }: Finding): void {
    const lasting = this.#lasting.get(key);
    if (lasting) {
      lasting.times++;
      return;
    }
    this.#lasting.set(key, { id, subject: subject.name, message, times: 1 });
    const level = severity === "info" ? "info" : "warn";
    this.#log(level, `condition begins: ${message}`, { id, subject: subject.name });
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
