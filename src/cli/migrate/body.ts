import type { MigrationJson } from "../../daemon/migrate-json.ts";
import type { Outcome } from "../../docker/migrate/apply.ts";
import { createCommand } from "../../docker/migrate/commands.ts";
import type { Entry } from "../../docker/migrate/journal.ts";
import type { Plan } from "../../docker/migrate/plan.ts";
import type { User } from "../../docker/migrate/users.ts";

/** One network of `underlay.migrate/v1`. */
export type Migration = MigrationJson;

/** What is to be done, or with an outcome, what came of it. */
export function planMigration(plan: Plan, outcome?: Outcome): Migration {
  const { network, target, readiness, reasons, notes, users, commands, restore } = plan;
  return {
    name: network.Name,
    id: network.Id,
    from: target.from,
    to: target.to,
    status: outcome?.result ?? readiness,
    reasons: [...(outcome?.reasons ?? reasons)],
    notes: [...notes],
    containers: users.map(userBody),
    commands: [...commands],
    restore,
  };
}

/** Of a move that was interrupted before. */
export function entryMigration({ network, to }: Entry, outcome?: Outcome): Migration {
  return {
    name: network.Name,
    id: network.Id,
    from: network.Driver,
    to,
    status: outcome?.result ?? "interrupted",
    reasons: [...(outcome?.reasons ?? ["a move was interrupted, and Docker has no network of this name"])],
    notes: [],
    containers: [],
    commands: [createCommand(network, to)],
    restore: createCommand(network, network.Driver),
  };
}

function userBody({ id, name, state, chosen, addresses }: User): Migration["containers"][number] {
  return {
    ...{ id, name, state },
    ip: chosen.ip ?? null,
    ip6: chosen.ip6 ?? null,
    mac: chosen.mac ?? null,
    aliases: [...chosen.aliases],
    addresses: [...addresses],
  };
}
