import { UnderlayError } from "../lib/errors.ts";
import { networkOwner } from "./owners.ts";

/** How long dockerd may take to list its networks, in milliseconds. While it starts it does not answer at all. */
const PATIENCE = 5000;

/**
 * Owners of the networks that dockerd has for these drivers, by `GET /networks` of the Engine API. Never to be asked
 * inside a plugin call: dockerd may be waiting for our answer. Throws `unreachable` when there is no whole answer.
 */
export async function ownersKnownToDocker(
  socket: string,
  drivers: readonly string[],
): Promise<ReadonlySet<string>> {
  const filters = encodeURIComponent(JSON.stringify({ driver: drivers }));
  const networks = await listed(socket, `http://docker/networks?filters=${filters}`);
  return new Set(networks.map(networkOwner));
}

async function listed(socket: string, url: string): Promise<string[]> {
  try {
    const response = await fetch(url, { unix: socket, signal: AbortSignal.timeout(PATIENCE) });
    const answer: unknown = await response.json();
    if (!response.ok || !Array.isArray(answer)) throw new Error(`it answered ${response.status}`);
    return answer.map(idOf);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UnderlayError("unreachable", `dockerd does not tell its networks on ${socket}: ${why}`, {
      cause,
      inputs: { socket },
    });
  }
}

/** One entry that is not understood makes the whole list worthless: what is missing in it would be dropped. */
function idOf(network: unknown): string {
  if (typeof network === "object" && network !== null && "Id" in network && typeof network.Id === "string") {
    return network.Id;
  }
  throw new Error("it lists a network without an id");
}
