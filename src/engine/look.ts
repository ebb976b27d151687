import type { Finding } from "../conditions/condition.ts";
import type { Log } from "../lib/log.ts";
import type { Parents } from "../links/parent/parents.ts";
import { memoryStore } from "../store/memory.ts";
import { cachesOf } from "./context.ts";
import { Health } from "./health.ts";
import { Queues } from "./queues.ts";
import type { EndpointRecord, NetworkRecord } from "./records.ts";
import { Sightings } from "./sightings.ts";

/** Records as they are, without a daemon. */
export interface Records {
  readonly networks: readonly NetworkRecord[];
  readonly endpoints: readonly EndpointRecord[];
}

/**
 * What is wrong with networks that no daemon looks at, by the same look as the daemon's. What a look remembers goes to
 * a copy of the records: they stay as they are. Endpoints without a container are not told, for that takes two looks.
 */
export async function findingsOfRecords(
  { networks, endpoints }: Records,
  parts: { readonly parents: Parents; readonly bootId: string; readonly log: Log },
): Promise<Finding[]> {
  const store = memoryStore();
  for (const network of networks) await store.table<NetworkRecord>("networks").put(network.owner, network, 0);
  for (const endpoint of endpoints) {
    await store.table<EndpointRecord>("endpoints").put(endpoint.owner, endpoint, 0);
  }
  const health = new Health({
    ...parts,
    // What begins is no news here: nothing was looked at before.
    log: (level, message, fields) => {
      if (!message.startsWith("condition ")) parts.log(level, message, fields);
    },
    ...cachesOf(store),
    clock: Date.now,
    steady: () => performance.now(),
    queues: new Queues(),
    sightings: new Sightings(),
  });
  await health.refresh();
  return health.all();
}
