import { asUnderlayError, UnderlayError } from "../../lib/errors.ts";
import type { Dockerd, DockerNetwork } from "../dockerd.ts";
import type { Entry, Journal } from "./journal.ts";
import type { Plan } from "./plan.ts";
import { toCreate } from "./target.ts";
import { usersOf } from "./users.ts";

/**
 * - `moved`: it is of our driver now
 * - `in_use`: somebody came meanwhile; nothing was done
 * - `put_back`: our driver did not take it, and it is as it was before
 * - `failed`: dockerd did not remove it, and it is as it was before
 * - `lost`: it is gone and neither driver takes it now, or dockerd does not tell; the journal has it
 */
export type Result = "moved" | "in_use" | "put_back" | "failed" | "lost";

export interface Outcome {
  readonly result: Result;
  readonly reasons: readonly string[];
}

/**
 * Removes a network and makes it again with our driver. It is noted before and struck out after, so that at whatever
 * point this process ends, `resume` finds it.
 */
export async function apply(dockerd: Dockerd, journal: Journal, plan: Plan): Promise<Outcome> {
  const { network, target } = plan;
  const users = await usersOf(dockerd, network);
  if (users.length > 0)
    return { result: "in_use", reasons: [`used by ${users.map(({ name }) => name).join(", ")}`] };
  const entry = { network, to: target.to };
  journal.write(entry);
  try {
    await dockerd.removeNetwork(network.Id);
  } catch (thrown) {
    const { message } = asUnderlayError(thrown);
    // It may have been removed all the same, when the answer did not come.
    const stays = await settled(isThere(dockerd, network));
    if (stays === true) journal.clear();
    if (stays !== false) return { result: stays === true ? "failed" : "lost", reasons: [message] };
  }
  return recreate(dockerd, journal, entry);
}

/**
 * Goes on where a move was interrupted; undefined when none was, or when it was at an end but for its entry. Throws
 * what dockerd throws.
 */
export async function resume(
  dockerd: Dockerd,
  journal: Journal,
): Promise<{ readonly entry: Entry; readonly outcome: Outcome } | undefined> {
  const entry = journal.read();
  if (entry === undefined) return undefined;
  if (isMissing(await dockerd.networks(), entry))
    return { entry, outcome: await recreate(dockerd, journal, entry) };
  journal.clear();
  return undefined;
}

async function recreate(dockerd: Dockerd, journal: Journal, { network, to }: Entry): Promise<Outcome> {
  const outcome = await ours(dockerd, network, to);
  if (outcome.result !== "lost") journal.clear();
  return outcome;
}

async function ours(dockerd: Dockerd, network: DockerNetwork, to: string): Promise<Outcome> {
  const refusal = await settled(dockerd.createNetwork(toCreate(network, to)));
  if (!(refusal instanceof UnderlayError)) return { result: "moved", reasons: [] };
  const again = await settled(dockerd.createNetwork(toCreate(network, network.Driver)));
  if (!(again instanceof UnderlayError)) return { result: "put_back", reasons: [refusal.message] };
  // An answer that did not come in time may have been a yes.
  const all = await settled(dockerd.networks());
  const found = all instanceof UnderlayError ? undefined : all.find(({ Name }) => Name === network.Name);
  if (found !== undefined)
    return { result: found.Driver === to ? "moved" : "put_back", reasons: [refusal.message] };
  return { result: "lost", reasons: [refusal.message, `putting it back: ${again.message}`] };
}

async function settled<T>(work: Promise<T>): Promise<T | UnderlayError> {
  try {
    return await work;
  } catch (thrown) {
    return asUnderlayError(thrown);
  }
}

/** Whether no network has the name of the one that is being moved. */
export function isMissing(all: readonly DockerNetwork[], { network }: Entry): boolean {
  return !all.some(({ Name }) => Name === network.Name);
}

async function isThere(dockerd: Dockerd, { Id }: DockerNetwork): Promise<boolean> {
  return (await dockerd.networks()).some((network) => network.Id === Id);
}
