import type { Finding } from "../conditions/condition.ts";
import { findings } from "../conditions/judge.ts";
import { byIdentity, Phases } from "../conditions/phases.ts";
import { asUnderlayError } from "../lib/errors.ts";
import type { ParentFacts } from "../lib/facts.ts";
import type { Parents } from "../links/parent/parents.ts";
import type { WatchedLink } from "../links/watch.ts";
import { judgedOf, type LookContext, networksOn } from "./context.ts";
import { FactsByOwner } from "./facts-by-owner.ts";
import type { NetworkRecord } from "./records.ts";
import { remember } from "./remember.ts";

/** As many parents are looked at one by one; of more, what they share is read once for all. */
const FEW = 4;

/** What is wrong with each network, as last looked at. A finding is logged when it begins and when it ends. */
export class Health {
  readonly #context: LookContext;
  readonly #facts = new FactsByOwner();
  readonly #phases: Phases;

  constructor(context: LookContext) {
    this.#context = context;
    this.#phases = new Phases(context.log);
  }

  /** Looks at the parents of these networks again, or at all. A parent that cannot be read keeps what was known of it. */
  async refresh(networks: readonly NetworkRecord[] = this.#context.networks.list()): Promise<void> {
    const byParent = Map.groupBy(networks, ({ spec, parent }) => JSON.stringify([spec.parent, parent]));
    const parents = byParent.size > FEW ? await this.#atOnce() : this.#context.parents;
    if (!parents) return;
    for (const sharing of byParent.values()) await this.#look(parents, sharing);
    this.tell(networks.map(({ owner }) => owner));
  }

  /** Takes what was read already, so that a network just made is not looked at twice. */
  note(network: NetworkRecord, facts: ParentFacts): void {
    this.#facts.set(network.owner, facts);
    const neighbours = networksOn(this.#context, facts).map(({ owner }) => owner);
    this.tell(new Set([network.owner, ...neighbours]));
  }

  /** The network is gone, and with it what was wrong with it. */
  forget(owner: string): void {
    this.#facts.delete(owner);
    this.#phases.tell([[owner, []]]);
  }

  /** Says what has begun and what has ended since, of these networks. */
  tell(owners: Iterable<string>): void {
    const { networks } = this.#context;
    // Asked again: networks came and went while parents were looked at.
    const known = [...owners].flatMap((owner) => networks.get(owner) ?? []);
    this.#phases.tell(known.map((network) => [network.owner, this.findingsOf(network)]));
  }

  async #atOnce(): Promise<Pick<Parents, "facts"> | undefined> {
    try {
      return await this.#context.parents.atOnce();
    } catch (thrown) {
      const error = asUnderlayError(thrown).message;
      this.#context.log("warn", "parents could not be looked at", { error });
      return undefined;
    }
  }

  /** One look serves all networks that remember the same parent. */
  async #look(parents: Pick<Parents, "facts">, sharing: readonly NetworkRecord[]): Promise<void> {
    const [network] = sharing;
    if (!network) return;
    try {
      const facts = await parents.facts(network.spec.parent, network.parent);
      for (const { owner } of sharing) {
        if (!this.#context.networks.get(owner)) continue;
        this.#facts.set(owner, facts);
        if (facts.link) await remember(this.#context, owner, facts.link);
      }
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

  /** Whether a change of this link can change a finding. */
  concerns(link: WatchedLink): boolean {
    const { networks } = this.#context;
    return (
      this.#facts.mayConcern(link) ||
      networks.size > this.#facts.size ||
      networks.with("parent", link.name).length > 0
    );
  }

  /**
   * The networks of which a change of these links can change a finding: they are their parents, or hang on them. While
   * a network is degraded any link may be its parent that came back, under whichever name.
   */
  concerned(links: readonly WatchedLink[]): NetworkRecord[] {
    const { networks } = this.#context;
    const byName = links.flatMap(({ name }) => networks.with("parent", name));
    const byIndex = links.flatMap((link) => this.#facts.ownersOn(link));
    const unseen =
      networks.size > this.#facts.size ? networks.list().filter(({ owner }) => !this.#facts.get(owner)) : [];
    const owners = new Set([
      ...byIndex,
      ...this.#facts.degraded(),
      ...[...byName, ...unseen].map(({ owner }) => owner),
    ]);
    return [...owners].flatMap((owner) => networks.get(owner) ?? []);
  }

  /** Each once: what is wrong with a parent is found for every network on it. */
  all(): Finding[] {
    const found = this.#context.networks.list().flatMap((network) => this.findingsOf(network));
    return [...byIdentity(found).values()];
  }
}
