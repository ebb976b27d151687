import { accessSync, constants, existsSync } from "node:fs";
import { type FindingBody, findingBody, type NetworkBody, networkRow } from "../../daemon/api.ts";
import { findingsOfRecords, type Records } from "../../engine/look.ts";
import type { EndpointRecord, NetworkRecord } from "../../engine/records.ts";
import { networkRowView } from "../../engine/views.ts";
import { asUnderlayError } from "../../lib/errors.ts";
import type { Read } from "../../lib/host-facts.ts";
import { silentLog } from "../../lib/log.ts";
import { openStore } from "../../store/sqlite.ts";
import { daemonClient } from "../client.ts";
import { hasRecords } from "../offline.ts";
import type { DoctorKernel } from "./kernel.ts";

/** The networks that there are, and what is wrong with them as somebody last saw. */
export interface KnownNetworks {
  readonly from: "daemon" | "records" | "nobody";
  /** Of the daemon, when one answers. */
  readonly pid?: number;
  readonly networks: readonly NetworkBody[];
  readonly findings: readonly FindingBody[];
}

interface Places {
  readonly run_dir: string;
  readonly state_dir: string;
}

/** Of the daemon; when none runs, of the records, looked at here. Or why neither can be asked. */
export async function knownNetworks(
  { run_dir, state_dir }: Places,
  kernel: DoctorKernel | undefined,
  bootId: string,
): Promise<Read<KnownNetworks>> {
  const daemon = daemonClient(run_dir, PATIENCE);
  try {
    const [{ daemon: running, findings }, { networks }] = await Promise.all([
      daemon.status(),
      daemon.networks(),
    ]);
    return { known: { from: "daemon", networks, findings, ...(running && { pid: running.pid }) } };
  } catch (thrown) {
    const error = asUnderlayError(thrown);
    if (error.code !== "unreachable") return { unread: error.message };
  }
  if (existsSync(state_dir) && !mayRead(state_dir)) return { unread: `${state_dir} is for root only` };
  if (!hasRecords(state_dir)) return { known: { from: "nobody", networks: [], findings: [] } };
  try {
    return { known: await ofRecords(recordsIn(state_dir), kernel, bootId) };
  } catch (thrown) {
    return { unread: asUnderlayError(thrown).message };
  }
}

/** Milliseconds: the daemon answers these from memory. */
const PATIENCE = 500;

function mayRead(folder: string): boolean {
  try {
    accessSync(folder, constants.R_OK | constants.X_OK);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error) return false;
    throw error;
  }
}

function recordsIn(stateDir: string): Records {
  const store = openStore(stateDir, { readonly: true });
  try {
    return {
      networks: store
        .table<NetworkRecord>("networks")
        .list()
        .map(({ body }) => body),
      endpoints: store
        .table<EndpointRecord>("endpoints")
        .list()
        .map(({ body }) => body),
    };
  } finally {
    store.close();
  }
}

async function ofRecords(
  records: Records,
  kernel: DoctorKernel | undefined,
  bootId: string,
): Promise<KnownNetworks> {
  const found = kernel
    ? await findingsOfRecords(records, { parents: kernel.parents, bootId, log: silentLog })
    : [];
  return {
    from: "records",
    networks: records.networks.map((record) => ({
      ...networkRow(networkRowView(record, { endpoints: 0, healthy: true })),
      findings: [],
    })),
    findings: found.map(findingBody),
  };
}
