import type { ParentFacts } from "../lib/facts.ts";
import type { WatchedLink } from "../links/watch.ts";

/** What was last read of the parent of each network, found by network and by link without a look at all others. */
export class FactsByOwner {
  readonly #facts = new Map<string, ParentFacts>();
  readonly #byIndex = new Map<number, Set<string>>();
  readonly #degraded = new Set<string>();

  /** Networks of which anything is known. */
  get size(): number {
    return this.#facts.size;
  }

  get(owner: string): ParentFacts | undefined {
    return this.#facts.get(owner);
  }

  set(owner: string, facts: ParentFacts): void {
    this.delete(owner);
    this.#facts.set(owner, facts);
    if (!facts.link) {
      this.#degraded.add(owner);
      return;
    }
    const { ifindex } = facts.link;
    const owners = this.#byIndex.get(ifindex) ?? new Set();
    this.#byIndex.set(ifindex, owners.add(owner));
  }

  delete(owner: string): void {
    const ifindex = this.#facts.get(owner)?.link?.ifindex;
    this.#facts.delete(owner);
    this.#degraded.delete(owner);
    if (ifindex === undefined) return;
    const owners = this.#byIndex.get(ifindex);
    owners?.delete(owner);
    if (owners?.size === 0) this.#byIndex.delete(ifindex);
  }

  /** Those whose parent is missing. */
  degraded(): Iterable<string> {
    return this.#degraded;
  }

  /** Those whose parent this link is, or hangs on. */
  ownersOn({ ifindex, parentIfindex }: WatchedLink): string[] {
    const below = parentIfindex === undefined ? [] : (this.#byIndex.get(parentIfindex) ?? []);
    return [...(this.#byIndex.get(ifindex) ?? []), ...below];
  }

  /** Of a missing parent nothing is known, so that any link may be it. */
  mayConcern({ ifindex, parentIfindex }: WatchedLink): boolean {
    const isBelow = parentIfindex !== undefined && this.#byIndex.has(parentIfindex);
    return this.#degraded.size > 0 || this.#byIndex.has(ifindex) || isBelow;
  }
}
