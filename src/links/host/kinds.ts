import type { KindFacts, Read } from "../../lib/host-facts.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { deleteLinkRequest, newLinkRequest } from "../../netlink/link.ts";
import { moduleState } from "./modules.ts";
import type { Files } from "./read.ts";

/** Link kinds that networks are made of, and the modules that have them. */
const KINDS = [
  { kind: "macvlan", module: "macvlan" },
  { kind: "ipvlan", module: "ipvlan" },
  { kind: "vlan", module: "8021q" },
  { kind: "dummy", module: "dummy" },
] as const;

const TRIAL_NAME = "ul-kind";

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
  for (const { kind, module } of KINDS) {
    // Read first: the try loads a module that can be loaded.
    const file = moduleState(files, release, module);
    found.push({ kind, module, ...file, tried: await tried(scratch, kind) });
  }
  return found;
}

/**
 * Asks for a link of the kind without the parent and the data that it needs: rtnl_newlink of net/core/rtnetlink.c
 * answers EOPNOTSUPP when nothing registered the kind, and only then asks the kind itself, which says EINVAL or makes it.
 */
async function tried(scratch: Read<Conversation>, kind: string): Promise<KindFacts["tried"]> {
  if ("unread" in scratch) return scratch;
  const [outcome] = await scratch.known.settle([newLinkRequest({ name: TRIAL_NAME, info: { kind } })]);
  if (outcome?.ok === true) {
    await scratch.known.settle([deleteLinkRequest({ name: TRIAL_NAME })]);
    return { known: {} };
  }
  const { code, message, errno = "", kernelText = "" } = outcome?.error ?? {};
  if (code === "permission") return { unread: message ?? "" };
  const isUnknown = errno === "EOPNOTSUPP" || (errno === "ENODEV" && /unknown device type/i.test(kernelText));
  return { known: isUnknown ? { errno, text: kernelText } : {} };
}
