import type { Values } from "../../daemon/settings.ts";
import { type Dockerd, type DockerNetwork, dockerdAt } from "../../docker/dockerd.ts";
import { apply, isMissing, resume } from "../../docker/migrate/apply.ts";
import { type Entry, fileJournal, type Journal } from "../../docker/migrate/journal.ts";
import { type Chosen, chosen, type Plan, planOf } from "../../docker/migrate/plan.ts";
import { usersOf } from "../../docker/migrate/users.ts";
import { asUnderlayError, type Problem } from "../../lib/errors.ts";
import { entryMigration, type Migration, planMigration } from "./body.ts";
import { type OurDaemon, ourDaemon, soleMigrator } from "./daemon.ts";
import { type Verdicts, verdicts } from "./verdict.ts";

export interface Migrations {
  readonly networks: readonly Migration[];
  /** What else to know. */
  readonly warning?: string;
}

/**
 * Says how networks of Docker's drivers are moved to ours. Throws `not_found` and `conflict` for what is no such
 * network, and what dockerd throws.
 */
export async function planned(values: Values, wanted: readonly string[]): Promise<Migrations> {
  const dockerd = dockerdAt(values.docker_socket);
  const daemon = await ourDaemon(values.run_dir);
  const all = await dockerd.networks();
  const entry = fileJournal(values.state_dir).read();
  const interrupted = entry !== undefined && isMissing(all, entry) ? [entry] : [];
  const plans = await plansOf(values, dockerd, chosenBut(all, wanted, entry), daemon);
  return {
    networks: [
      ...interrupted.map((each) => entryMigration(each)),
      ...plans.map((plan) => planMigration(plan)),
    ],
    ...("missing" in daemon && { warning: daemon.missing.message }),
  };
}

/**
 * Moves those that no container uses, one after the other. A move that was interrupted comes first. What is wrong with
 * what was asked is thrown as by `planned`, before anything is done; so is `unreachable` when our daemon does not run.
 */
export async function carriedOut(values: Values, wanted: readonly string[]): Promise<Migrations> {
  const daemon = await ourDaemon(values.run_dir);
  if ("missing" in daemon) throw daemon.missing;
  using _sole = soleMigrator(values.run_dir);
  const dockerd = dockerdAt(values.docker_socket);
  const journal = fileJournal(values.state_dir);
  const choice = chosenBut(await dockerd.networks(), wanted, journal.read());
  const resumed = await resume(dockerd, journal);
  const before = resumed === undefined ? [] : [entryMigration(resumed.entry, resumed.outcome)];
  if (resumed?.outcome.result === "lost") return { networks: before };
  const plans = await plansOf(values, dockerd, choice, daemon);
  return { networks: [...before, ...(await inTurn(dockerd, journal, plans))] };
}

/** One that is in the middle of its move may be asked for although Docker does not have it. */
function chosenBut(
  all: readonly DockerNetwork[],
  wanted: readonly string[],
  entry: Entry | undefined,
): readonly Chosen[] {
  if (entry === undefined || !isMissing(all, entry)) return chosen(all, wanted);
  const { Name, Id } = entry.network;
  const others = wanted.filter((name) => name !== Name && !Id.startsWith(name));
  return wanted.length > 0 && others.length === 0 ? [] : chosen(all, others);
}

async function plansOf(
  values: Values,
  dockerd: Dockerd,
  choice: readonly Chosen[],
  daemon: OurDaemon,
): Promise<readonly Plan[]> {
  using ask = verdicts(values, daemon.networks);
  const plans: Plan[] = [];
  for (const each of choice) {
    const isOurs = each.network.Driver === each.target.to;
    const problems = isOurs ? [] : await problemsOf(each, ask, daemon);
    plans.push(planOf(each, isOurs ? [] : await usersOf(dockerd, each.network), problems));
  }
  return plans;
}

async function problemsOf(each: Chosen, ask: Verdicts, daemon: OurDaemon): Promise<readonly Problem[]> {
  const problems = await ask.problemsOf(each);
  const { to } = each.target;
  if (problems.length > 0 || "missing" in daemon || daemon.drivers.includes(to)) return problems;
  return [{ subject: "driver", message: `the daemon that runs does not serve ${to}: restart it` }];
}

/** Ends early where it cannot be known what is there: the journal has room for one. */
async function inTurn(
  dockerd: Dockerd,
  journal: Journal,
  plans: readonly Plan[],
): Promise<readonly Migration[]> {
  const done: Migration[] = [];
  for (const plan of plans) {
    if (plan.readiness !== "ready") {
      done.push(planMigration(plan));
      continue;
    }
    try {
      const outcome = await apply(dockerd, journal, plan);
      done.push(planMigration(plan, outcome));
      if (outcome.result === "lost") break;
    } catch (thrown) {
      done.push(planMigration(plan, { result: "failed", reasons: [asUnderlayError(thrown).message] }));
      break;
    }
  }
  return done;
}
