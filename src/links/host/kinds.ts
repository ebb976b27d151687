import { asUnderlayError } from "../../lib/errors.ts";
import type { KindFacts, Read } from "../../lib/host-facts.ts";
import { KIND_MODULES } from "../../lib/kinds.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { kindTrial } from "../parent/trial.ts";
import { moduleState } from "./modules.ts";
import type { Files } from "./read.ts";

/**
 * Which kinds the kernel has. `scratch`: a conversation in an empty netns of ours, or why there is none. Throws
 * `kernel` when netlink itself fails.
 */
export async function kindFacts(
  files: Files,
  release: string,
  scratch: Read<Conversation>,
): Promise<KindFacts[]> {
  const found: KindFacts[] = [];
  for (const [kind, module] of Object.entries(KIND_MODULES)) {
    // Read first: the try loads a module that can be loaded.
    const file = moduleState(files, release, module);
    found.push({ kind, module, ...file, tried: await tried(scratch, kind) });
  }
  return found;
}

async function tried(scratch: Read<Conversation>, kind: string): Promise<KindFacts["tried"]> {
  if ("unread" in scratch) return scratch;
  try {
    const trial = await kindTrial(scratch.known, kind);
    return { known: trial.outcome === "failed" ? { errno: trial.errno, text: trial.text } : {} };
  } catch (thrown) {
    const { code, message } = asUnderlayError(thrown);
    if (code !== "permission") throw thrown;
    return { unread: message };
  }
}
