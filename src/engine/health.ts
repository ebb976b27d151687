import type { Finding } from "../conditions/condition.ts";
import { findings } from "../conditions/judge.ts";
import { byIdentity, Phases } from "../conditions/phases.ts";
import { asUnderlayError } from "../lib/errors.ts";
import type { ParentFacts } from "../lib/facts.ts";
import type { WatchedLink } from "../links/watch.ts";
import { judgedOf, type LookContext } from "./context.ts";
import type { NetworkRecord } from "./records.ts";
import { remember } from "./remember.ts";

/** What is wrong with each network, as last looked at. A finding is logged when it begins and when it ends. */
export class Health {
  readonly #context: LookContext;
  readonly #facts = new Map<string, ParentFacts>();
  readonly #phases: Phases;

  constructor(context: LookContext) {
    this.#context = context;
    this.#phases = new Phases(context.log);
  }

  /** Looks at every parent again. A parent that cannot be read keeps what was known of it. */
  async refresh(): Promise<void> {
    const networks = this.#context.networks.list();
    const byParent = Map.groupBy(networks, ({ spec, parent }) => JSON.stringify([spec.parent, parent]));
    for (const sharing of byParent.values()) await this.#look(sharing);
    // Asked again: networks came and went while parents were looked at.
    const known = new Set(this.#context.networks.list().map(({ owner }) => owner));
    for (const owner of this.#facts.keys()) if (!known.has(owner)) this.#facts.delete(owner);
    this.tell();
  }

  /** Says what has begun and what has ended since. */
  tell(): void {
    this.#phases.tell(this.all());
  }

  /** Takes what was read already, so that a network just made is not looked at twice. */
  note(owner: string, facts: ParentFacts): void {
    this.#facts.set(owner, facts);
    this.tell();
  }

  /** One look serves all networks that remember the same parent. */
  async #look(sharing: readonly NetworkRecord[]): Promise<void> {
    const [network] = sharing;
    if (!network) return;
    try {
      const facts = await this.#context.parents.facts(network.spec.parent, network.parent);
      for (const { owner } of sharing) this.#facts.set(owner, facts);
      for (const { owner } of sharing) if (facts.link) await remember(this.#context, owner, facts.link);
    } catch (thrown) {
      const error = asUnderlayError(thrown);
      this.#context.log("warn", "a parent could not be looked at", {
        network: network.owner,
        error: error.message,
      });
    }
  }

  findingsOf(network: NetworkRecord): Finding[] {
    const facts = this.#facts.get(network.owner);
    return facts ? findings(judgedOf(this.#context, network, facts), network.allow) : [];
  }

  /** Not degraded: its parent is there, as far as is known. */
  isHealthy(network: NetworkRecord): boolean {
    const facts = this.#facts.get(network.owner);
    return facts === undefined || facts.link !== undefined;
  }

  /**
   * Whether a change of this link can change a finding: it is a parent, or hangs on one. While a network is degraded
   * any link may be its parent that came back, under whichever name.
   */
  concerns({ name, ifindex, parentIfindex }: WatchedLink): boolean {
    return this.#context.networks.list().some((network) => {
      const facts = this.#facts.get(network.owner);
      const parent = facts?.link;
      if (!parent) return true;
      return parent.ifindex === ifindex || parent.ifindex === parentIfindex || network.parent.name === name;
    });
  }

  /** Each once: what is wrong with a parent is found for every network on it. */
  all(): Finding[] {
    const found = this.#context.networks.list().flatMap((network) => this.findingsOf(network));
    return [...byIdentity(found).values()];
  }
}
