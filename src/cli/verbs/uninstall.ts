import { existsSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CONFIG_DIR, type Config } from "../../daemon/config.ts";
import { removeFromDocker } from "../../docker/forget.ts";
import { executablePath, UNIT } from "../../install/files.ts";
import { type Place, removeRelease } from "../../install/install.ts";
import { readManifest } from "../../install/manifest.ts";
import { removeFolderIfEmpty } from "../../install/place.ts";
import { findSystemd } from "../../install/systemd.ts";
import { asUnderlayError, UnderlayError } from "../../lib/errors.ts";
import { DATABASE_FILE } from "../../store/sqlite.ts";
import { usageError } from "../args.ts";
import { pluginsStay } from "../cni/hint.ts";
import { EXIT } from "../exit.ts";
import { hasRecords, offlineSource } from "../offline.ts";
import { clean } from "../table.ts";
import type { Call, Verb } from "../verb.ts";
import { changesText, configBelow, placeOf, runningDaemon } from "./install.ts";

async function uninstall(call: Call): Promise<number> {
  const { io } = call;
  const place = placeOf(call);
  const manifest = readManifest(place.root, place.prefix);
  if (manifest === undefined) {
    io.stdout(`nothing is installed in ${clean(join(place.root, place.prefix))}\n${pluginsStay(place.root)}`);
    return EXIT.done;
  }
  const config = await configBelow(call, place.root);
  const isHost = place.root === "/";
  const daemon = isHost ? await runningDaemon(call) : undefined;
  if (daemon !== undefined) await refuseOtherProgram(daemon, place);
  const known = await networks(call, config, place, daemon);
  if (known.ids.length > 0 && !(await consent(call, known))) {
    io.stderr("underlay: nothing was changed\n");
    return EXIT.failed;
  }

  if (isHost) io.stdout(await dropped(known.ids, daemon !== undefined, config));
  const systemd = findSystemd(place.root);
  if (systemd && existsSync(`/etc/systemd/system/${UNIT}`)) await systemd.disable();
  if (isHost) {
    await stopDaemon(call, place);
    if (hasRecords(config.values.state_dir)) await dropRecorded(call, config);
  }
  io.stdout(changesText(place, removeRelease(place, manifest)) + pluginsStay(place.root));
  if (systemd) await systemd.reload();
  removeState(place, config);
  return EXIT.done;
}

interface Known {
  readonly ids: readonly string[];
  readonly endpoints: number;
}

async function networks(
  call: Call,
  config: Config,
  { root }: Place,
  daemon: number | undefined,
): Promise<Known> {
  const stateDir = join(root, config.values.state_dir);
  if (daemon === undefined && !hasRecords(stateDir)) return { ids: [], endpoints: 0 };
  const missing = new UnderlayError("unreachable", "no daemon runs");
  const { networks } =
    daemon === undefined
      ? await offlineSource(stateDir, missing).networks()
      : (await call.ask((source) => source.networks())).answer;
  return {
    ids: networks.map(({ id }) => id),
    endpoints: networks.reduce((sum, network) => sum + network.endpoints, 0),
  };
}

/** Throws `invalid_option` when nobody can be asked. */
async function consent({ given, io }: Call, { ids, endpoints }: Known): Promise<boolean> {
  if (given.flags.has("yes")) return true;
  const count = (number: number, noun: string) => `${number} ${noun}${number === 1 ? "" : "s"}`;
  const what = `${count(ids.length, "network")} with ${count(endpoints, "endpoint")}`;
  if (io.ask === undefined) throw usageError(`${what} would be dropped: say -y when that is meant`);
  const answer = await io.ask(`This drops ${what}; their containers lose those links. Go on? [y/N] `);
  return /^y(es)?$/i.test(answer.trim());
}

/** Docker drops them while the daemon still hears of it. */
async function dropped(ids: readonly string[], daemonRuns: boolean, { values }: Config): Promise<string> {
  if (ids.length === 0) return "";
  const left = `Docker may still list networks that nobody serves any more: docker network rm ${ids.map((id) => id.slice(0, 12)).join(" ")}\n`;
  if (!daemonRuns || !existsSync(values.docker_socket)) return left;
  try {
    for (const id of ids) await removeFromDocker(values.docker_socket, id);
    return ids.map((id) => `dropped   network ${id.slice(0, 12)}\n`).join("");
  } catch (thrown) {
    const error = asUnderlayError(thrown);
    if (error.code === "unreachable") return left;
    throw error;
  }
}

/** What Docker did not have us drop. */
async function dropRecorded({ env, io }: Call, config: Config): Promise<void> {
  const { dropNetworks } = await import("../../daemon/drop.ts");
  await dropNetworks(config, env, (level, message, fields = {}) => {
    if (level === "warn" || level === "error")
      io.stderr(`underlay: ${clean(`${message} ${JSON.stringify(fields)}`)}\n`);
  });
}

async function refuseOtherProgram(pid: number, { prefix }: Place): Promise<void> {
  const program = readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, "");
  if (program === executablePath(prefix)) return;
  throw new UnderlayError(
    "conflict",
    `a daemon of another installation runs (pid ${pid}, ${program}): stop it first`,
  );
}

/** Without systemd somebody else started it. In milliseconds. */
const END = { within: 15_000, poll: 50 } as const;

async function stopDaemon(call: Call, place: Place): Promise<void> {
  const pid = await runningDaemon(call);
  if (pid === undefined) return;
  await refuseOtherProgram(pid, place);
  process.kill(pid, "SIGTERM");
  const deadline = performance.now() + END.within;
  while (existsSync(`/proc/${pid}`)) {
    if (performance.now() > deadline)
      throw new UnderlayError("timeout", `the daemon (pid ${pid}) does not end; nothing of it was removed`);
    // The end of a process that is nobody's child here is no event.
    await Bun.sleep(END.poll);
  }
}

function removeState({ root }: Place, { values }: Config): void {
  const stateDir = join(root, values.state_dir);
  for (const name of [DATABASE_FILE, `${DATABASE_FILE}-wal`, `${DATABASE_FILE}-shm`])
    rmSync(join(stateDir, name), { force: true });
  rmSync(join(root, values.run_dir, "lock"), { recursive: true, force: true });
  // Settings are the user's: their folder goes only when there are none.
  for (const folder of [stateDir, join(root, values.run_dir), join(root, CONFIG_DIR)])
    removeFolderIfEmpty(folder);
}

/** `underlay uninstall`: nothing of ours is left but what the user wrote. */
export const uninstallVerbs: readonly Verb[] = [
  {
    words: "uninstall",
    flags: ["prefix", "root", "yes"],
    help: "stop the service, drop our networks and remove what install put in place",
    more:
      "Asks before networks are dropped; without a terminal it needs -y. Settings stay, and files that were changed by " +
      "hand. Docker is not restarted.",
    run: uninstall,
  },
];
