import { UnderlayError } from "../lib/errors.ts";

/** How long dockerd may take for one call, in milliseconds: it calls us in it. */
const PATIENCE = 30_000;

/**
 * Has dockerd remove a network that its containers are still attached to: `POST /networks/ID/disconnect` with force,
 * then `DELETE /networks/ID` of the Engine API, as `docker network disconnect -f` and `rm` do. Our daemon has to run,
 * because dockerd tells it. A network that dockerd does not know is removed already. Throws `unreachable`, or
 * `conflict` with what dockerd says.
 */
export async function removeFromDocker(socket: string, network: string): Promise<void> {
  const path = `/networks/${encodeURIComponent(network)}`;
  const found = await ask(socket, "GET", path);
  if (found.status === 404) return;
  for (const container of containersOf(found.body))
    must(await ask(socket, "POST", `${path}/disconnect`, { Container: container, Force: true }), network);
  must(await ask(socket, "DELETE", path), network);
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

async function ask(socket: string, method: string, path: string, body?: object): Promise<Answer> {
  try {
    const response = await fetch(`http://docker${path}`, {
      method,
      unix: socket,
      signal: AbortSignal.timeout(PATIENCE),
      ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UnderlayError("unreachable", `dockerd does not answer on ${socket}: ${why}`, {
      cause,
      inputs: { socket },
    });
  }
}

function must({ status, body }: Answer, network: string): void {
  if (status < 300 || status === 404) return;
  const said = has(body, "message") ? String(body.message) : `it answered ${status}`;
  throw new UnderlayError("conflict", `dockerd does not remove network ${network}: ${said}`, {
    inputs: { network },
  });
}

function containersOf(network: unknown): string[] {
  if (!has(network, "Containers") || typeof network.Containers !== "object" || network.Containers === null)
    return [];
  return Object.keys(network.Containers);
}

function has<Key extends string>(value: unknown, key: Key): value is Record<Key, unknown> {
  return typeof value === "object" && value !== null && key in value;
}
