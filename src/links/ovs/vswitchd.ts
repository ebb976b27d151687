import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { asUnderlayError } from "../../lib/errors.ts";
import type { VswitchdFacts } from "../../lib/switch-facts.ts";
import type { Ovsdb } from "../../ovsdb/client.ts";
import { select, waitUntil } from "../../ovsdb/operation.ts";

/** Milliseconds in which ovs-vswitchd applies what somebody has just asked for. */
const FOLLOWS = 700;

/**
 * Whether ovs-vswitchd follows the database. `rundir`: where its control socket is, `ovs-vswitchd.PID.ctl` of
 * ovs-appctl(8); undefined when it cannot be known. Throws as `transact` does.
 */
export async function vswitchdFacts(ovsdb: Ovsdb, rundir: string | undefined): Promise<VswitchdFacts> {
  const source = "Open_vSwitch next_cfg, cur_cfg";
  const [[root]] = await ovsdb.transact([select("Open_vSwitch", [], ["next_cfg", "cur_cfg"])]);
  const { next_cfg: next, cur_cfg: current } = root ?? { next_cfg: 0n, cur_cfg: 0n };
  const value = `${next}, ${current}`;
  const gone = rundir === undefined ? undefined : await controlOf(rundir);
  if (gone?.state === "gone") return gone;
  if (current < next && !(await follows(ovsdb, next))) return { state: "behind", source, value };
  return gone ?? { state: "unknown", source, value };
}

async function follows(ovsdb: Ovsdb, configuration: bigint): Promise<boolean> {
  const applied = waitUntil({
    table: "Open_vSwitch",
    where: [["cur_cfg", ">=", configuration]],
    columns: ["cur_cfg"],
    until: "!=",
    rows: [],
  });
  try {
    await ovsdb.transact([applied], { patience: FOLLOWS });
    return true;
  } catch (thrown) {
    if (asUnderlayError(thrown).code === "timeout") return false;
    throw thrown;
  }
}

/** Undefined where it cannot be told: in the folder of a database alone, or of another user. */
async function controlOf(rundir: string): Promise<VswitchdFacts | undefined> {
  const names = namesIn(rundir);
  if (!names?.some((name) => /^ovsdb-server\..*ctl$/.test(name))) return undefined;
  const controls = names.filter((name) => /^ovs-vswitchd\..*ctl$/.test(name));
  const answers: (string | undefined)[] = [];
  for (const name of controls) answers.push(await refusal(join(rundir, name)));
  if (answers.includes(undefined))
    return { state: "runs", source: `${rundir}/ovs-vswitchd.PID.ctl`, value: "answers" };
  const [name] = controls;
  const [value = "there is none"] = answers;
  if (value !== "there is none" && value !== "ECONNREFUSED") return undefined;
  return { state: "gone", source: `${rundir}/${name ?? "ovs-vswitchd.PID.ctl"}`, value };
}

function namesIn(folder: string): readonly string[] | undefined {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && "syscall" in error) return undefined;
    throw error;
  }
}

/** Why nobody answers there, as an errno; undefined when somebody does. */
async function refusal(path: string): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = connect({ path });
  socket.once("connect", () => resolve(undefined));
  socket.once("error", (error) => resolve("code" in error ? String(error.code) : error.message));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
