import { didYouMean } from "../../lib/nearest.ts";
import { word } from "../../lib/quote.ts";
import { usageError } from "../args.ts";
import { SCRIPTS, SHELLS } from "../completion/shells.ts";
import { EXIT } from "../exit.ts";
import type { Call, Verb } from "../verb.ts";

async function completion({ args: [name = ""], io }: Call): Promise<number> {
  const shell = SHELLS.find((known) => known === name);
  if (shell === undefined)
    throw usageError(
      `SHELL: ${word(name)} is none of ${SHELLS.join(", ")}${didYouMean(name.slice(0, 64), SHELLS)}`,
    );
  io.stdout(SCRIPTS[shell]);
  return EXIT.done;
}

/** `underlay completion`: a script for the shell; `underlay install` puts it in place. */
export const completionVerbs: readonly Verb[] = [
  {
    words: "completion",
    args: ["SHELL"],
    help: `print a script by which a shell completes our words: ${SHELLS.join(", ")}`,
    more: 'For one session: eval "$(underlay completion bash)". Names of networks and endpoints are asked of the daemon.',
    run: completion,
  },
];
