import { loadConfig } from "../../daemon/config.ts";
import { type Given, parseArgs } from "../args.ts";
import { EXIT } from "../exit.ts";
import type { Env, Io } from "../io.ts";
import { VERBS } from "../verbs.ts";
import { answerLines, candidates } from "./candidates.ts";
import { hostNames } from "./names.ts";

/** Answers a shell; the words are all after the program's name, the last one being typed. */
export async function complete(words: readonly string[], env: Env, io: Io): Promise<number> {
  const names = hostNames(async () => {
    const { flags, settings } = givenIn(words.slice(0, -1));
    return loadConfig({ flags: settings, env, file: flags.get("config")?.at(-1) });
  });
  io.stdout(answerLines(await candidates(words, VERBS, names)));
  return EXIT.done;
}

/** The longest beginning of the line that is understood: `--run-dir` tells which daemon to ask. */
function givenIn(words: readonly string[]): Given {
  try {
    return parseArgs(words);
  } catch {
    // Not typed to its end yet; what comes before the last word is judged again.
    return givenIn(words.slice(0, -1));
  }
}
