import type { Env } from "../cni/env.ts";
import type { Delegate, Plugin } from "../cni/plugin.ts";
import { ovs } from "../cni/plugins/ovs.ts";
import type { Pairs } from "../engine/pairs.ts";
import { type Problem, problemsError } from "../lib/errors.ts";
import type { SwitchWish } from "../lib/switch-port.ts";
import { ovsSide } from "../links/ovs/side.ts";
import { Conversation } from "../netlink/conversation.ts";
import { ethtool } from "../netlink/ethtool.ts";
import { NETLINK_GENERIC, openRequestSocket } from "../netlink/open.ts";
import { inlineTransport } from "../netlink/transport.ts";
import { type Ovsdb, openOvsdb } from "../ovsdb/client.ts";
import { DEFAULT_TARGET, parseTarget } from "../ovsdb/target.ts";
import { configure } from "../sandbox/configure.ts";
import { readFile, writeAll } from "../sys/file.ts";
import type { Libc } from "../sys/libc.ts";
import { pairsOf } from "./pairs.ts";

/** ovs with all that it runs on; no other plugin loads this. */
export function ovsOf(libc: Libc, env: Env, delegate: Delegate): Plugin {
  return ovs({
    delegate,
    pairs: (wish) => ovsPairs(libc, env, wish),
    readText(path) {
      const bytes = readFile(libc, path);
      return bytes && new TextDecoder().decode(bytes);
    },
    note: (text) => writeAll(libc, 2, new TextEncoder().encode(`underlay: ${text}\n`), "stderr"),
  });
}

function ovsPairs(libc: Libc, env: Env, wish: SwitchWish): Pairs {
  const open = connecting(wish.ovsdb ?? DEFAULT_TARGET);
  return pairsOf(libc, env, (home) => ({
    configure,
    side: ovsSide(
      {
        home,
        open,
        features({ netns }) {
          const generic = new Conversation(inlineTransport(openRequestSocket(libc, NETLINK_GENERIC, netns)));
          return { ...ethtool(generic), [Symbol.dispose]: () => generic.close() };
        },
      },
      wish,
    ),
  }));
}

/** One connection for all that is done, and another to take it back when it was lost. They end with the process. */
function connecting(text: string): () => Promise<Ovsdb> {
  const problems: Problem[] = [];
  const target = parseTarget(text, "socket_file", problems);
  if (!target) throw problemsError("invalid_option", problems);
  const made: { ovsdb?: Ovsdb } = {};
  return async () => {
    if (!made.ovsdb?.state.isUp) made.ovsdb = await openOvsdb({ target });
    return made.ovsdb;
  };
}
