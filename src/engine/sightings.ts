import type { HostTrouble, ReleasedEndpoint } from "../conditions/condition.ts";
import { type EndpointRecord, holdingsOf } from "./records.ts";

interface Released extends ReleasedEndpoint {
  readonly network: string;
}

/** When nothing was heard of a subject, on the steady clock. */
export const NEVER = Number.NEGATIVE_INFINITY;

/**
 * What passes over the kernel saw, beyond the records: which endpoints and links no container has, and which were
 * released for it. It is only what this process saw; a restart looks again.
 */
export class Sightings {
  readonly #suspects = new Map<string, number>();
  readonly #strayed = new Set<string>();
  readonly #hostTroubles = new Map<string, HostTrouble>();
  #released: readonly Released[] = [];

  /** On the steady clock, or undefined while nothing is suspect about the endpoint or link. */
  unattachedSince(subject: string): number | undefined {
    return this.#suspects.get(subject);
  }

  suspect(subject: string, since: number): void {
    this.#suspects.set(subject, since);
  }

  /** What a pass did not find suspect any more is not. */
  keepOnly(subjects: ReadonlySet<string>): void {
    for (const subject of this.#suspects.keys()) if (!subjects.has(subject)) this.#suspects.delete(subject);
  }

  /** A link that was made, and was not where it was to be deleted: until it is seen to be gone it holds what it had. */
  stray(record: EndpointRecord): void {
    for (const holding of holdingsOf(record)) this.#strayed.add(holding);
  }

  mayHaveStrayed(record: EndpointRecord): boolean {
    return holdingsOf(record).some((holding) => this.#strayed.has(holding));
  }

  isFree(record: EndpointRecord): void {
    for (const holding of holdingsOf(record)) this.#strayed.delete(holding);
  }

  /** Why the host may not reach the containers of a network, when it is to. */
  hostTrouble(network: string): HostTrouble | undefined {
    return this.#hostTroubles.get(network);
  }

  troubleHost(network: string, trouble: HostTrouble | undefined): void {
    if (trouble === undefined) this.#hostTroubles.delete(network);
    else this.#hostTroubles.set(network, trouble);
  }

  releasedOf(network: string): readonly ReleasedEndpoint[] {
    return this.#released.filter((released) => released.network === network);
  }

  release({ network, addresses }: EndpointRecord, now: number): void {
    this.#released = [...this.#released, { network, addresses, at: new Date(now).toISOString() }];
  }

  /** An address in use again ends the story of the one who had it; without any, the next one without does. */
  taken({ network, addresses }: EndpointRecord): void {
    const isSame = (released: Released) =>
      released.addresses.length === 0
        ? addresses.length === 0
        : released.addresses.some((address) => addresses.includes(address));
    this.#released = this.#released.filter((released) => released.network !== network || !isSame(released));
  }
}
