import { rmSync } from "node:fs";
import type { PrivateHost } from "../../ground/host.ts";

/** Stands between a program and the dockerd of a private host, to act when one of the program's changes comes by. */

export interface Point {
  readonly call: "remove" | "create";
  /** dockerd's own work. */
  readonly when: "before" | "after";
}

/** Everything that a move does to dockerd. */
export const POINTS: readonly Point[] = [
  { call: "remove", when: "before" },
  { call: "remove", when: "after" },
  { call: "create", when: "before" },
  { call: "create", when: "after" },
];

const CALLS: Readonly<Record<string, Point["call"]>> = { DELETE: "remove", POST: "create" };

export interface Proxy extends AsyncDisposable {
  /** As the host's programs see it. */
  readonly socket: string;
}

/** `act` may answer in dockerd's place; a promise that it does not resolve leaves the program waiting. */
export function standBetween(host: PrivateHost, act: (point: Point) => Promise<Response | undefined>): Proxy {
  const socket = "/run/between.sock";
  const server = Bun.serve({
    unix: host.outside(socket),
    idleTimeout: 0,
    fetch: async (request) => {
      const call = CALLS[request.method];
      const early = call && (await act({ call, when: "before" }));
      if (early) return early;
      const { pathname, search } = new URL(request.url);
      const body = await request.text();
      const answer = await fetch(`http://docker${pathname}${search}`, {
        method: request.method,
        unix: host.outside("/run/docker.sock"),
        headers: { "content-type": "application/json" },
        ...(body !== "" && { body }),
      });
      const text = await answer.text();
      const late = call && (await act({ call, when: "after" }));
      // 204 has no body, not even an empty one.
      return late ?? new Response(answer.status === 204 ? null : text, { status: answer.status });
    },
  });
  return {
    socket,
    [Symbol.asyncDispose]: async () => {
      await server.stop(true);
      rmSync(host.outside(socket), { force: true });
    },
  };
}
