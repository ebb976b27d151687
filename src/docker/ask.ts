import * as v from "valibot";
import { UnderlayError } from "../lib/errors.ts";
import { endpointOwner, networkOwner } from "./owners.ts";

/** How long dockerd may take for one answer, in milliseconds. While it starts it does not answer at all. */
const PATIENCE = 5000;

/**
 * Owners of the networks that dockerd has for these drivers, and of their endpoints: `GET /networks` and
 * `GET /networks/ID` of the Engine API. Never to be asked inside a plugin call: dockerd may be waiting for our answer.
 * An endpoint that is being made is not listed yet. Throws `unreachable` when there is no whole answer.
 */
export async function ownersKnownToDocker(
  socket: string,
  drivers: readonly string[],
): Promise<ReadonlySet<string>> {
  try {
    const filters = encodeURIComponent(JSON.stringify({ driver: drivers }));
    const networks = v.parse(Networks, await get(socket, `/networks?filters=${filters}`));
    const owners = new Set<string>();
    for (const { Id } of networks) {
      const answer = await get(socket, `/networks/${encodeURIComponent(Id)}`);
      // Removed since it was listed: as if it had never been.
      if (answer === undefined) continue;
      owners.add(networkOwner(Id));
      const endpoints = Object.values(v.parse(Network, answer).Containers ?? {});
      for (const { EndpointID } of endpoints) owners.add(endpointOwner(Id, EndpointID));
    }
    return owners;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UnderlayError("unreachable", `dockerd does not tell its networks on ${socket}: ${why}`, {
      cause,
      inputs: { socket },
    });
  }
}

/** One entry that is not understood makes the whole list worthless: what is missing in it would be dropped. */
const Networks = v.array(v.object({ Id: v.pipe(v.string(), v.nonEmpty()) }));
const Network = v.object({
  Containers: v.nullish(v.record(v.string(), v.object({ EndpointID: v.pipe(v.string(), v.nonEmpty()) }))),
});

/** Undefined for what dockerd does not have. */
async function get(socket: string, path: string): Promise<unknown> {
  const signal = AbortSignal.timeout(PATIENCE);
  const response = await fetch(`http://docker${path}`, { unix: socket, signal });
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`it answered ${response.status}`);
  return response.json();
}
