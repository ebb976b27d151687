import type { Condition } from "../../conditions/condition.ts";
import { CONDITIONS } from "../../conditions/registry.ts";
import { EXIT } from "../exit.ts";
import { flagsOf } from "../flags.ts";
import type { Verb } from "../verb.ts";
import { bold, italic, item, line, page, paragraph, section, subsection, verbatim } from "./roff.ts";
import { exitItems, flagItem, ownFlags, sentence, synopsis } from "./verb.ts";

/** What the first letter of an id says. A condition of another letter has no section, and a test fails. */
const SUBJECTS: Readonly<Record<string, string>> = {
  C: "Configurations of container runtimes, by underlay cni check",
  P: "Parents and links",
  H: "Hypervisors and clouds",
  I: "Addresses and routes",
  K: "Kernel and privileges",
  M: "Other programs that confine or manage",
  O: "Open vSwitch",
  R: "Docker and the service",
  S: "Scale",
};

/** The manual page of `underlay doctor`, with every condition that it knows. */
export function doctorPage(verb: Verb, version: string): string {
  const byLetter = Map.groupBy(CONDITIONS, ({ id }) => id.charAt("UL-".length));
  return page(
    { name: "underlay-doctor", part: 8, version, about: verb.help },
    section("SYNOPSIS", synopsis(verb)),
    section(
      "DESCRIPTION",
      paragraph(sentence(verb.help)),
      ...(verb.more === undefined ? [] : [paragraph(verb.more)]),
      paragraph(
        "Each finding says what is wrong, what was read that shows it, and what to do, worst first. One cause gives one " +
          "finding: what it explains is left out. A check that could not be made says why.",
      ),
      paragraph(
        "The same checks refuse a network at docker network create where that is said below. While a daemon runs, it logs " +
          "what it finds when that begins and when it has ended; underlay status has what is wrong now.",
      ),
    ),
    section("OPTIONS", ...ownFlags(verb).map(flagItem), ...flagsOf({}).map(flagItem)),
    section(
      "CHECKS",
      ...Object.entries(SUBJECTS).flatMap(([letter, title]) => {
        const conditions = byLetter.get(letter) ?? [];
        return conditions.length === 0 ? [] : [subsection(title, ...conditions.map(conditionItem))];
      }),
    ),
    section("EXIT STATUS", ...exitItems()),
    section(
      "EXAMPLES",
      item(bold("underlay doctor eth0"), "whether eth0 is fit to be a parent, and what else is wrong"),
      item(bold("underlay doctor --explain UL-P06"), "what is said above, of one check"),
      paragraph("In a script, to go on only when nothing is wrong:"),
      verbatim([`underlay doctor --fail-on=warn -o json >report.json || [ $? -ne ${EXIT.findings} ]`]),
    ),
    section("SEE ALSO", line(`${bold("underlay")}(8), ${bold("underlay.toml")}(5), ${bold("ip-link")}(8)`)),
  );
}

function conditionItem({ id, title, severity, confidence, refuses, explain }: Condition): string {
  const unless = confidence === "certain" ? "" : `, unless -o allow=${id}`;
  const refusal = refuses ? ` A network is refused${unless}.` : "";
  return item(`${bold(id)} ${title} (${italic(severity)}, ${confidence})`, `${explain}${refusal}`);
}
