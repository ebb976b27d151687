import { beforeAll, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { type Guest, type GuestOptions, makeGuest, type System } from "./guest.ts";
import { type Services, servicesOf } from "./services.ts";

/** What a scenario works with. The guest is the one of the scenario before, in the state that it left behind. */
export interface Lab {
  readonly guest: Guest;
  readonly services: Services;
}

export interface ScenarioOptions {
  /** How many containers it starts; 0 unless told. A start costs 5 to 15 s, so nobody adds one unnoticed. */
  readonly containers?: number;
  readonly timeoutMs?: number;
}

export type Scenario = (name: string, body: (lab: Lab) => Promise<void>, options?: ScenarioOptions) => void;

const PATIENCE_MS = 120_000;
const PATIENCE_PER_CONTAINER_MS = 60_000;

/** Why no guest runs here, if so. */
const IMPOSSIBLE = process.arch === "x64" ? undefined : "Debian's user-mode-linux is for x86 only";

/**
 * One guest for all scenarios of the calling file or describe block; it is booted before the first. A scenario that
 * fails prints what the guest has logged since it began.
 */
export function scenariosIn(system: System, options?: GuestOptions): Scenario {
  const things = disposedAfterAll();
  let lab: Lab | undefined;

  if (IMPOSSIBLE === undefined)
    beforeAll(async () => {
      const guest = things.use(await makeGuest(system, options));
      await logged(guest, () => guest.boot());
      lab = { guest, services: servicesOf(guest) };
    }, 600_000);

  return (name, body, { containers = 0, timeoutMs } = {}) => {
    if (IMPOSSIBLE !== undefined) return test.skip(`${name} (${IMPOSSIBLE})`, () => undefined);
    test(
      name,
      async () => {
        if (lab === undefined) throw new Error("the guest has not booted");
        const { guest, services } = lab;
        const before = services.containersStarted();
        await logged(guest, () => body({ guest, services }));
        const started = services.containersStarted() - before;
        if (started !== containers)
          throw new Error(`${started} containers started, not ${containers} as told`);
      },
      timeoutMs ?? PATIENCE_MS + containers * PATIENCE_PER_CONTAINER_MS,
    );
  };
}

async function logged<T>(guest: Guest, act: () => Promise<T>): Promise<T> {
  const from = guest.log().length;
  try {
    return await act();
  } catch (error) {
    const lines = guest.log().slice(from);
    process.stderr.write(`the guest's log:\n${lines.map((line) => `  ${line}\n`).join("")}`);
    throw error;
  }
}
