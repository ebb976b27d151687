import { asUnderlayError, UnderlayError } from "../../../lib/errors.ts";
import { formatIp } from "../../../lib/ip.ts";
import type { Log } from "../../../lib/log.ts";
import type { Mac } from "../../../lib/mac.ts";
import type { SwitchBridges } from "../bridges.ts";
import type { SwitchPorts } from "../ports.ts";
import { uplinkRows } from "../rows.ts";
import {
  type Belongings,
  belongingsOf,
  gatewaysOf,
  isNothing,
  joined,
  type LinkName,
  NOTHING,
  readHeld,
  sharedWith,
  whyNotCarried,
} from "./belongings.ts";
import { carrying } from "./carry.ts";
import { dress, dressOf } from "./dress.ts";
import type { Guard, PostGuard } from "./guard.ts";
import { answering, type Pause } from "./reach.ts";
import type { MoveRecord, MoveRecords } from "./record.ts";
import { bringBack, give, type ReturnParts, requireLink, take } from "./return.ts";

/** Moves what the host has on a NIC to the bridge that gets it as a port, and back. One after another. */
export interface HostMover {
  /**
   * Nothing of the host is on the NIC; if something was, it is on the bridge's link, and the NIC a port of the bridge.
   * Again: what came to the NIC meanwhile follows, and what a link of the bridge that was made anew has lost is put back.
   * Throws `conflict` with the reason; then all is as before.
   */
  move(wish: MoveWish): Promise<void>;
  /** NICs of which something was moved to that bridge. */
  movedTo(bridge: string): readonly string[];
  /** Brings it back, and the NIC is no port any more. Throws `unreachable` or `timeout`: then `finish` does it later. */
  back(uplink: string): Promise<void>;
  /** Takes back what was begun and not finished, by a process that died or when the switch did not answer. */
  finish(): Promise<void>;
}

export interface MoveWish {
  readonly network: string;
  readonly bridge: string;
  readonly nic: LinkName & { readonly mac: Mac | undefined; readonly mtu: number };
}

export interface MoverParts extends ReturnParts {
  readonly ports: SwitchPorts;
  readonly bridges: Pick<SwitchBridges, "find">;
  readonly records: MoveRecords;
  readonly postGuard: PostGuard;
  /** Resolves when no guard of a former process is at work on that NIC. Throws `timeout`. */
  readonly awaitGuards: (uplink: string) => Promise<void>;
  readonly pause: Pause;
  readonly log: Log;
}

/** Milliseconds: until the guard acts; for all steps together; for a gateway's answer, and for that of one who answered before. */
const WITHIN = { guard: 45_000, steps: 30_000, answer: 3_000, proof: 5_000 } as const;

export function hostMover(parts: MoverParts): HostMover {
  const { home, ports, bridges, database, records, bootId, step, log } = parts;
  let tail: Promise<unknown> = Promise.resolve();

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = tail.then(work);
    tail = turn.catch(() => undefined);
    return turn;
  }

  async function move(wish: MoveWish): Promise<void> {
    const { nic, bridge } = wish;
    const known = await finished(records.get(nic.name));
    const link = await requireLink(home, bridge);
    const moved = known?.state === "moved" && isNow(known, nic) ? known : undefined;
    if (moved && moved.bridgeIfindex !== link.ifindex) await putAgain(moved, wish, link);
    const held = await readHeld(home, nic.ifindex);
    const belongings = belongingsOf(held);
    if (isNothing(belongings)) return;
    if (known?.state === "failed" && isNow(known, nic)) throw conflict(nic.name, known.why ?? "");
    const why = whyNotCarried(nic.name, held) ?? (await whyNotTo(bridge));
    if (why !== undefined) throw conflict(nic.name, why);
    const all = joined(await stillThere(moved, link), belongings);
    await moveNow(wish, link, { belongings, all, wasMoved: known !== undefined });
  }

  async function whyNotTo(bridge: string): Promise<string | undefined> {
    if ((await bridges.find(bridge))?.ids !== undefined) return undefined;
    return `has addresses of this host, and bridge ${bridge} is not Underlay's to give them to; name a bridge that is not there yet`;
  }

  /** Of what was moved before. */
  async function stillThere(moved: MoveRecord | undefined, link: LinkName): Promise<Belongings> {
    if (!moved) return NOTHING;
    return sharedWith(moved.belongings, belongingsOf(await readHeld(home, link.ifindex)));
  }

  function isNow(record: MoveRecord, { ifindex }: LinkName): boolean {
    return record.bootId === bootId && record.ifindex === ifindex;
  }

  async function putAgain(record: MoveRecord, { nic, bridge }: MoveWish, link: LinkName): Promise<void> {
    const { belongings, ifindex } = record;
    await dress({ home, database }, bridge, dressLike(nic));
    await give(home, carrying(belongings, { from: nic, to: link, readOf: ifindex }).give);
    await records.put({ ...record, bridgeIfindex: link.ifindex });
    log("warn", "the bridge's link was made anew, and has the host's addresses again", wordsOf(record));
  }

  async function moveNow(
    wish: MoveWish,
    link: LinkName,
    { belongings, all, wasMoved }: { belongings: Belongings; all: Belongings; wasMoved: boolean },
  ): Promise<void> {
    const { nic, bridge } = wish;
    const record: MoveRecord = {
      state: "moving",
      ...{ uplink: nic.name, ifindex: nic.ifindex, bootId, bridge, bridgeIfindex: link.ifindex },
      before: records.get(nic.name)?.before ?? (await dressOf(database, bridge)),
      belongings: all,
    };
    const gateways = gatewaysOf(belongings);
    const { pause } = parts;
    const answered = await answering(home, nic.ifindex, gateways, { within: WITHIN.answer, pause });
    step("move.before-record");
    await records.put(record);
    const guarded: { guard?: Guard } = {};
    try {
      step("move.after-record");
      guarded.guard = await parts.postGuard({ record, bootId, within: WITHIN.guard });
      step("move.after-guard");
      await goOver(wish, link, belongings, async () => {
        const still = await answering(home, link.ifindex, answered, { within: WITHIN.proof, pause });
        const silent = answered.filter((ip) => !still.includes(ip)).map(formatIp);
        if (silent.length > 0)
          throw new UnderlayError(
            "timeout",
            `${silent.join(", ")} answers on ${nic.name}, and not through bridge ${bridge}`,
          );
      });
      await guarded.guard.standDown();
      step("move.after-confirm");
    } catch (thrown) {
      throw await undone(record, wasMoved, guarded.guard, asUnderlayError(thrown));
    }
    await records.put({ ...record, state: "moved" });
    step("move.after-moved");
    log("info", "the host's addresses were moved to the bridge", wordsOf(record));
  }

  /** First the bridge is shown to lead where the NIC led; only then is anything taken from the NIC. */
  async function goOver(
    { network, bridge, nic }: MoveWish,
    link: LinkName,
    belongings: Belongings,
    prove: () => Promise<void>,
  ): Promise<void> {
    const deadline = performance.now() + WITHIN.steps;
    const { name } = nic;
    await dress({ home, database }, bridge, dressLike(nic));
    step("move.after-dress");
    // Another network's, on the same bridge, will do.
    if ((await ports.find(name))?.bridge !== bridge) await ports.put(uplinkRows({ bridge, name, network }));
    step("move.after-port");
    const way = carrying(belongings, { from: nic, to: link, readOf: nic.ifindex });
    requireTime(deadline);
    await give(home, way.give);
    step("move.after-give");
    await prove();
    step("move.after-proof");
    requireTime(deadline);
    await take(home, way.take);
    step("move.after-take");
  }

  /** What its guard does not hear of, it does as well. */
  async function undone(
    record: MoveRecord,
    wasMoved: boolean,
    guard: Guard | undefined,
    cause: UnderlayError,
  ): Promise<UnderlayError> {
    const why = `has addresses of this host, which were moved to bridge ${record.bridge} and back: ${cause.message}`;
    try {
      await bringBack(parts, record);
      await guard?.standDown().catch(() => parts.awaitGuards(record.uplink));
      if (wasMoved) await records.put({ ...record, state: "failed", why });
      else await records.delete(record.uplink);
    } catch (thrown) {
      guard?.leave();
      const error = asUnderlayError(thrown).message;
      log("error", "the host's addresses could not be brought back yet", { ...wordsOf(record), error });
    }
    return conflict(record.uplink, why, cause);
  }

  /** Undefined when it was one that nobody finished. */
  async function finished(record: MoveRecord | undefined): Promise<MoveRecord | undefined> {
    if (record === undefined || record.state === "moved" || record.state === "failed") return record;
    await parts.awaitGuards(record.uplink);
    await bringBack(parts, record);
    await records.delete(record.uplink);
    log("warn", "a move of the host's addresses was interrupted, and taken back", wordsOf(record));
    return undefined;
  }

  async function back(uplink: string): Promise<void> {
    const record = records.get(uplink);
    if (!record) return;
    // That is back already.
    if (record.state === "failed") return records.delete(uplink);
    await parts.awaitGuards(uplink);
    const returning: MoveRecord = { ...record, state: "returning" };
    await records.put(returning);
    step("return.after-intent");
    const guard = await guardOf(returning);
    step("return.after-guard");
    try {
      await bringBack(parts, returning);
      await guard?.standDown();
    } catch (thrown) {
      guard?.leave();
      throw thrown;
    }
    await records.delete(uplink);
    step("return.after-record");
    log("info", "the host's addresses were moved back from the bridge", wordsOf(record));
  }

  /** Who cannot be guarded goes back all the same: the longer it waits, the worse. */
  async function guardOf(record: MoveRecord): Promise<Guard | undefined> {
    try {
      return await parts.postGuard({ record, bootId, within: WITHIN.guard });
    } catch (thrown) {
      log("warn", "the way back has no guard", {
        ...wordsOf(record),
        error: asUnderlayError(thrown).message,
      });
      return undefined;
    }
  }

  return {
    move: (wish) => inTurn(() => move(wish)),
    movedTo: (bridge) =>
      records
        .list()
        .filter((record) => record.bridge === bridge)
        .map(({ uplink }) => uplink),
    back: (uplink) => inTurn(() => back(uplink)),
    finish: () =>
      inTurn(async () => {
        for (const record of records.list()) await finished(record);
      }),
  };
}

function dressLike({ name, mac, mtu }: MoveWish["nic"]) {
  if (mac === undefined) throw new UnderlayError("unsupported", `${name} has no MAC address`);
  return { mac, mtu };
}

function requireTime(deadline: number): void {
  if (performance.now() > deadline)
    throw new UnderlayError("timeout", `it took longer than ${WITHIN.steps / 1000} s`);
}

function wordsOf({ uplink, bridge, belongings }: MoveRecord) {
  return { uplink, bridge, addresses: belongings.addresses.map(({ text }) => text).join(" ") };
}

function conflict(uplink: string, why: string, cause?: unknown): UnderlayError {
  return new UnderlayError("conflict", `uplink ${uplink} ${why}`, { cause, inputs: { uplink } });
}
