import { findCandidate, matchWishes } from "../ipam/allocate.ts";
import {
  formatRangeSet,
  parseRangeSets,
  type Range,
  type RangeSet,
  type RangeText,
  rangeFor,
} from "../ipam/range.ts";
import { UnderlayError } from "../lib/errors.ts";
import { formatIp, type Ip, sameIp } from "../lib/ip.ts";
import type { HostLocalDirectory } from "../store/host-local/directory.ts";
import type { Reservations, Suspect } from "../store/host-local/reservations.ts";
import type { AddressRequest, AddressSource, AssignedAddress, Holder } from "./address-source.ts";

/**
 * Addresses of pools, kept in a directory that is shared with the reference plugin. What this adds to it: an attempt that
 * died is taken up again, and what is surely left over is given back. Texts are the reference's; people look for them.
 */

export interface HostLocalSpec {
  /** One address of each. */
  readonly sets: readonly RangeSet[];
  readonly directory: HostLocalDirectory;
  /** Inodes of all netns that there are; undefined when that cannot be known. Asked only when a pool is used up. */
  readonly liveNetns: () => Promise<ReadonlySet<number> | undefined>;
}

export type { RangeText } from "../ipam/range.ts";

/** What can be done without knowing the pools. */
export type AddressKeeper = Pick<AddressSource, "release" | "check" | "collect">;

/** The pools of one network, by the words of its configuration. */
export interface HostLocalPools {
  /** `path`: of the network's directory. Throws `invalid_option`. */
  open(path: string, sets: readonly (readonly RangeText[])[]): AddressSource;
  keeper(path: string): AddressKeeper;
}

export function hostLocalPools(
  directoryAt: (path: string) => HostLocalDirectory,
  liveNetns: HostLocalSpec["liveNetns"],
): HostLocalPools {
  return {
    open: (path, sets) =>
      hostLocalSource({ sets: parseRangeSets(sets), directory: directoryAt(path), liveNetns }),
    keeper: (path) => hostLocalKeeper(directoryAt(path)),
  };
}

export function hostLocalSource({ sets, directory, liveNetns }: HostLocalSpec): AddressSource {
  return {
    ...hostLocalKeeper(directory),
    async allocate(request) {
      const netns = directory.netnsAt(request.netns);
      const attempt = () => locked(directory, (held) => assign(held, sets, request, netns));
      const first = await attempt();
      if (Array.isArray(first)) return first;
      // Nothing is held while all processes are looked at: who reserves meanwhile is no suspect.
      if ((await freeOrphans(first.suspects, directory, liveNetns)) === 0) throw first.error;
      const second = await attempt();
      if (Array.isArray(second)) return second;
      throw second.error;
    },
    async status() {
      const look = () => directory.locked("leave", (held) => usedUp(held, sets));
      const first = await look();
      if (!first) return;
      if ((await freeOrphans(first.suspects, directory, liveNetns)) === 0) throw first.error;
      const second = await look();
      if (second) throw second.error;
    },
  };
}

function hostLocalKeeper(directory: HostLocalDirectory): AddressKeeper {
  return {
    async release(holder) {
      await directory.locked("leave", (held) => held.release(holder));
    },
    async check(holder) {
      const found = await directory.locked("leave", (held) => held.surelyOf(holder));
      if (found === undefined || found.length === 0) {
        const message = `host-local: Failed to find address added by container ${holder.container}`;
        throw new UnderlayError("not_found", message, { inputs: { ...holder } });
      }
    },
    async collect(valid) {
      await directory.locked("leave", (held) => {
        held.freeFormer();
        if (valid) held.keepOnly(valid);
      });
    },
  };
}

/** A pool has nothing free; these may be given back if their netns is gone. */
interface UsedUp {
  readonly error: UnderlayError;
  readonly suspects: readonly Suspect[];
}

function assign(
  held: Reservations,
  sets: readonly RangeSet[],
  request: AddressRequest,
  netns: number | undefined,
): AssignedAddress[] | UsedUp {
  const { bySet, left } = matchWishes(sets, request.wanted);
  const again = request.repeated === "same";
  if (again) for (const ip of held.of(request)) held.renew(ip, netns);
  held.freeFormer();
  const own = held.of(request);
  const made: Ip[] = [];
  const reserve: Reserve = (ip, set) => {
    const isOurs = held.reserve(ip, request, set, netns);
    if (isOurs) made.push(ip);
    return isOurs;
  };
  const undo = () => {
    for (const ip of made) held.free(ip);
  };
  try {
    const assigned: AssignedAddress[] = [];
    for (const [i, set] of sets.entries()) {
      const wish = bySet[i];
      const mine = own.filter((ip) => rangeFor(set, ip));
      const kept = again ? mine.find((ip) => !wish || sameIp(ip, wish)) : undefined;
      if (!again && !wish && mine[0]) throw duplicate(mine[0], i, request);
      const ip = kept ?? (wish ? asked(set, wish, i, reserve) : firstFree(held, set, i, reserve));
      if (!ip) {
        undo();
        return usedUpBy(held, set, i);
      }
      assigned.push(addressOf(set, ip));
    }
    if (left.length > 0)
      throw conflict(`failed to allocate all requested IPs: ${left.map(formatIp).join(" ")}`);
    // An attempt that died had asked for other ones, or the pools were others.
    const replaced = own.filter((ip) => !assigned.some(({ address }) => sameIp(address.ip, ip)));
    if (again) for (const ip of replaced) held.free(ip);
    return assigned;
  } catch (error) {
    undo();
    throw error;
  }
}

/** False when somebody else has it. */
type Reserve = (ip: Ip, set: number) => boolean;

function duplicate(ip: Ip, set: number, { container }: Holder): UnderlayError {
  const text = `${formatIp(ip)} has been allocated to ${container}, duplicate allocation is not allowed`;
  return conflict(`failed to allocate for range ${set}: ${text}`);
}

function asked(set: RangeSet, ip: Ip, i: number, reserve: Reserve): Ip {
  const range = rangeFor(set, ip);
  const reason =
    range && sameIp(range.gateway, ip)
      ? `requested ip ${formatIp(ip)} is subnet's gateway`
      : reserve(ip, i)
        ? undefined
        : `requested IP address ${formatIp(ip)} is not available in range set ${formatRangeSet(set)}`;
  if (reason !== undefined) throw conflict(`failed to allocate for range ${i}: ${reason}`);
  return ip;
}

function firstFree(held: Reservations, set: RangeSet, i: number, reserve: Reserve): Ip | undefined {
  const search = () =>
    findCandidate(set, held.lastReserved(i), ({ ip }) => !held.isTaken(ip) && reserve(ip, i))?.ip;
  const found = search();
  if (found) return found;
  // The index may be behind; what nobody has may be had.
  held.compareNames();
  held.freeFormer();
  held.freeEmpty();
  return search();
}

function usedUp(held: Reservations, sets: readonly RangeSet[]): UsedUp | undefined {
  const full = (set: RangeSet) => !findCandidate(set, undefined, ({ ip }) => !held.isTaken(ip));
  if (!sets.some(full)) return undefined;
  held.compareNames();
  held.freeFormer();
  held.freeEmpty();
  const i = sets.findIndex(full);
  const set = sets[i];
  return set && usedUpBy(held, set, i);
}

function usedUpBy(held: Reservations, set: RangeSet, i: number): UsedUp {
  const text = `no IP addresses available in range set: ${formatRangeSet(set)}`;
  return { error: conflict(`failed to allocate for range ${i}: ${text}`), suspects: held.suspects() };
}

/** Gives back what is ours and of a netns that is no more. How many that were. */
async function freeOrphans(
  suspects: readonly Suspect[],
  directory: HostLocalDirectory,
  liveNetns: HostLocalSpec["liveNetns"],
): Promise<number> {
  const live = suspects.length === 0 ? undefined : await liveNetns();
  const orphans = live ? suspects.filter(({ netns }) => !live.has(netns)) : [];
  if (orphans.length === 0) return 0;
  return (await directory.locked("leave", (held) => held.freeUnchanged(orphans))) ?? 0;
}

function addressOf(set: RangeSet, ip: Ip): AssignedAddress {
  const range: Range | undefined = rangeFor(set, ip);
  if (!range) throw new UnderlayError("internal", `${formatIp(ip)} is of no range`);
  return { address: { ip, prefix: range.subnet.prefix }, gateway: range.gateway };
}

async function locked<T>(directory: HostLocalDirectory, work: (held: Reservations) => T): Promise<T> {
  const result = await directory.locked("make", (held) => ({ value: work(held) }));
  if (!result) throw new UnderlayError("state", "a host-local directory vanished while it was made");
  return result.value;
}

function conflict(message: string): UnderlayError {
  return new UnderlayError("conflict", message);
}
