import type { ConfFacts } from "../lib/conf-facts.ts";
import type { NeighbourNetwork, ParentFacts } from "../lib/facts.ts";
import type { HostFacts } from "../lib/host-facts.ts";
import type { Subnet } from "../lib/request.ts";

/**
 * A condition is something that can be wrong with a host, a parent or a network. It is a pure function of
 * facts that are handed in; the same one refuses a create, shows in `status` and explains itself.
 */

export type Severity = "fail" | "warn" | "info";
export type Confidence = "certain" | "likely" | "possible";

export interface Evidence {
  /** Where it was read: `RTM_GETLINK IFLA_MASTER of eth0`. */
  readonly source: string;
  readonly value: string;
}

export interface Fix {
  readonly say: string;
  /** A command that exists and parses. */
  readonly run?: string;
}

export interface Subject {
  readonly kind: "host" | "parent" | "network" | "endpoint" | "file";
  readonly name: string;
}

export interface Finding {
  readonly id: string;
  readonly title: string;
  readonly severity: Severity;
  readonly confidence: Confidence;
  readonly subject: Subject;
  /** What is wrong; at most 100 characters where names allow it. */
  readonly message: string;
  readonly evidence: readonly Evidence[];
  readonly fix: readonly Fix[];
}

/** The attachment that is judged: a network about to be made, or one that exists. */
export interface Judged {
  /** Name for the network in messages: what the owner key says. */
  readonly network: string;
  /** It was made, and what is wrong came later; another way out than for a create. */
  readonly exists: boolean;
  /** A link kind; wider than those of today, because a parent may carry others. */
  readonly kind: string;
  readonly mode: string;
  /** Of an ipvlan network: `bridge`, `private`, `vepa`. */
  readonly flag?: string;
  readonly mtu?: number;
  readonly ipv6: boolean;
  readonly internal: boolean;
  readonly subnets: readonly Subnet[];
  readonly parent: ParentFacts;
  /** Other networks of ours on this parent. */
  readonly neighbours: readonly NeighbourNetwork[];
  readonly endpoints: readonly JudgedEndpoint[];
  /** Endpoints that were released because no container had their link, and whose addresses nobody has taken since. */
  readonly released: readonly ReleasedEndpoint[];
  /** The host is to reach its containers and may not. */
  readonly hostTrouble?: HostTrouble;
}

export interface HostTrouble {
  /** Name of the host's own link. */
  readonly link: string;
  /** What went wrong when it was last made so. */
  readonly error: string;
  /** What to do about that, where it is known. */
  readonly remedy?: string;
}

export interface JudgedEndpoint {
  readonly name: string;
  readonly addresses: readonly string[];
  /** Ports it asked to publish where nobody does. */
  readonly publishesInVain: readonly string[];
  /** RFC 3339; since when no container has its link. Absent: one has, as far as is known. */
  readonly unattachedSince?: string;
}

export interface ReleasedEndpoint {
  readonly addresses: readonly string[];
  /** RFC 3339. */
  readonly at: string;
}

export interface Condition {
  /** `UL-P06`. */
  readonly id: string;
  readonly title: string;
  readonly severity: Severity;
  /** Whether a create is refused when it holds. */
  readonly refuses: boolean;
  /** A certain one cannot be overridden by `-o allow=ID`. */
  readonly confidence: Confidence;
  /** Two or three sentences for `doctor --explain`. */
  readonly explain: string;
  /** Ids whose finding explains this one away, when it weighs as much: one cause gives one finding. */
  readonly hiddenBy?: readonly string[];
  /** It can be wrong with the bridge of a switch as well, not only with a parent that links hang on. */
  readonly onSwitches?: true;
  /** It is asked of a NIC on such a bridge (kind `uplink`), too: frames of containers pass there as by a parent. */
  readonly onUplinks?: true;
  /** Of an attachment. Absent when it is about the host alone. */
  judge?(judged: Judged): readonly Judgement[];
  /** Of the host, for `doctor`: what is wrong, or why that cannot be told. Never refuses. */
  judgeHost?(host: HostFacts): readonly Judgement[] | Skipped;
  /** Of a configuration of container runtimes, for `cni check`. Never refuses. */
  judgeConf?(conf: ConfFacts): readonly Judgement[];
  /** What a look at a parent may lack. That nothing was found then says nothing. */
  readonly needs?: readonly Need[];
}

/**
 * `trial`: a link that was tried, as at create. `namespaces`: a look into those of containers. `probe`: frames that
 * were sent, which is done only for who asks for it. `answer`: somebody who answered to them.
 */
export type Need = "trial" | "namespaces" | "probe" | "answer";

export interface Skipped {
  readonly skipped: string;
}

export interface Judgement {
  readonly subject: Subject;
  readonly message: string;
  readonly evidence: readonly Evidence[];
  readonly fix: readonly Fix[];
  /** When this case is milder than its condition. What is no `fail` never refuses. */
  readonly severity?: Severity;
  /** When more is known in this case than the condition can know. */
  readonly confidence?: Confidence;
}
