import { Conversation } from "../netlink/conversation.ts";
import { NETLINK_NETFILTER, openRequestSocket } from "../netlink/open.ts";
import { inlineTransport } from "../netlink/transport.ts";
import type { Libc } from "../sys/libc.ts";

/** A conversation over NETLINK_NETFILTER in our own netns, opened when it is first asked for. */
export function netfilter(libc: Libc): () => Conversation {
  const open = { conversation: undefined as Conversation | undefined };
  return () => {
    open.conversation ??= new Conversation(inlineTransport(openRequestSocket(libc, NETLINK_NETFILTER)));
    return open.conversation;
  };
}
