import { mkdirSync } from "node:fs";
import type { PrivateHost } from "./host.ts";

/** One call that dockerd made. */
export interface Call {
  readonly method: string;
  readonly body: unknown;
}

/** A driver that does nothing but write down what dockerd says to it; its endpoints cannot be joined. */
export interface Recorder extends AsyncDisposable {
  readonly calls: readonly Call[];
  /** Bodies of all calls of a method since the last `forget`. */
  bodies(method: string): unknown[];
  forget(): void;
}

const ANSWERS: Readonly<Record<string, unknown>> = {
  "Plugin.Activate": { Implements: ["NetworkDriver"] },
  "NetworkDriver.GetCapabilities": { Scope: "local", ConnectivityScope: "global", GwAllocChecker: true },
  "NetworkDriver.Join": { Err: "recorded, and that is all" },
};

/** Serves a recorder as the network driver `name` of a host's dockerd. */
export function startRecorder(host: PrivateHost, name: string, answers = ANSWERS): Recorder {
  const calls: Call[] = [];
  mkdirSync(host.outside("/run/docker/plugins"), { recursive: true });
  const server = Bun.serve({
    unix: host.outside(`/run/docker/plugins/${name}.sock`),
    fetch: async (request) => {
      // With 20.10 the Host header is empty and `new URL` would throw.
      const method = request.url.slice(request.url.lastIndexOf("/") + 1);
      const text = await request.text();
      calls.push({ method, body: text === "" ? undefined : JSON.parse(text) });
      return Response.json(answers[method] ?? {});
    },
  });
  return {
    calls,
    bodies: (method) => calls.filter((call) => call.method === method).map((call) => call.body),
    forget: () => {
      calls.length = 0;
    },
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}
