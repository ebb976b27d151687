import { UnderlayError } from "../lib/errors.ts";
import { didYouMean } from "../lib/nearest.ts";
import { word } from "../lib/quote.ts";
import { usageError } from "./args.ts";
import type { Verb } from "./verb.ts";
import { cniVerbs } from "./verbs/cni.ts";
import { completionVerbs } from "./verbs/completion.ts";
import { configVerbs } from "./verbs/config.ts";
import { daemonVerbs } from "./verbs/daemon.ts";
import { doctorVerbs } from "./verbs/doctor.ts";
import { endpointVerbs } from "./verbs/endpoint.ts";
import { gcVerbs } from "./verbs/gc.ts";
import { installVerbs } from "./verbs/install.ts";
import { migrateVerbs } from "./verbs/migrate.ts";
import { networkVerbs } from "./verbs/network.ts";
import { peerVerbs } from "./verbs/peer.ts";
import { statusVerbs } from "./verbs/status.ts";
import { uninstallVerbs } from "./verbs/uninstall.ts";
import { versionVerbs } from "./verbs/version.ts";

/** Every verb, in the order in which help shows them. `help` is told apart before: it speaks about this table. */
export const VERBS: readonly Verb[] = [
  ...daemonVerbs,
  ...statusVerbs,
  ...doctorVerbs,
  ...networkVerbs,
  ...endpointVerbs,
  ...peerVerbs,
  ...gcVerbs,
  ...migrateVerbs,
  ...cniVerbs,
  ...configVerbs,
  ...installVerbs,
  ...uninstallVerbs,
  ...completionVerbs,
  ...versionVerbs,
];

const made = (verb: string) => `Docker makes and removes networks: docker network ${verb} … (see README)`;
const comes = "this verb comes with a later version of Underlay";

/** What people type because others have it, or because it was announced. */
const LATER: Readonly<Record<string, string>> = {
  "network create": made("create -d underlay-macvlan"),
  "network rm": made("rm"),
  ...Object.fromEntries(
    ["parent", "vlan", "ip", "lease", "event", "events", "wait"].map((noun) => [noun, comes]),
  ),
};

const namesOf = (verb: Verb) => [verb.words, ...(verb.aliases ?? [])];

export interface Found {
  readonly verb: Verb;
  /** The words after the verb's own. */
  readonly rest: readonly string[];
}

/** Throws `invalid_option` for a noun without its verb and for words that are none, with the nearest. */
export function findVerb(words: readonly string[]): Found {
  const [first = "", second] = words;
  for (const length of [2, 1]) {
    const wanted = words.slice(0, length).join(" ");
    const verb = VERBS.find((candidate) => namesOf(candidate).includes(wanted));
    if (verb) return { verb, rest: words.slice(length) };
  }
  const later = LATER[first] ?? LATER[words.slice(0, 2).join(" ")];
  if (later !== undefined) throw new UnderlayError("not_yet", later);
  const ofNoun = VERBS.filter((verb) => verb.words.startsWith(`${first} `));
  const verbs = ofNoun.map((verb) => verb.words.slice(first.length + 1));
  if (ofNoun.length === 0) {
    const known = ["help", ...VERBS.map((verb) => verb.words.split(" ")[0] ?? "")];
    throw usageError(
      `unknown verb ${word(first)}${didYouMean(first.slice(0, 64), known)} (see \`underlay help\`)`,
    );
  }
  if (second === undefined) throw usageError(`underlay ${first} needs a verb: ${verbs.join(", ")}`);
  throw usageError(
    `unknown verb ${word(second)} of ${first}${didYouMean(second.slice(0, 64), verbs)}; there are ${verbs.join(", ")}`,
  );
}
