import { asUnderlayError, UnderlayError } from "../../lib/errors.ts";
import type { LinkFacts, ParentFacts } from "../../lib/facts.ts";
import type { ForwardFacts } from "../../lib/forward-facts.ts";
import type { HostFacts, Read } from "../../lib/host-facts.ts";
import type { Ip } from "../../lib/ip.ts";
import { silentLog } from "../../lib/log.ts";
import { deriveMac, type Mac } from "../../lib/mac.ts";
import type { PortHolder } from "../../lib/switch-facts.ts";
import { kindFacts } from "../../links/host/kinds.ts";
import { processFacts } from "../../links/host/process.ts";
import type { Files } from "../../links/host/read.ts";
import { forwardFacts, type GatewayLink } from "../../links/nat/forward-look.ts";
import { tunnelPortHolder } from "../../links/ovs/tunnel-port.ts";
import { kernelParents } from "../../links/parent/kernel.ts";
import type { Parents } from "../../links/parent/parents.ts";
import { probeParent } from "../../links/parent/probe.ts";
import type { Scratch } from "../../links/parent/trial.ts";
import { Conversation } from "../../netlink/conversation.ts";
import { NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE, openRequestSocket } from "../../netlink/open.ts";
import { inlineTransport } from "../../netlink/transport.ts";
import { type Libc, openLibc } from "../../sys/libc.ts";
import { makeScratchNetns, type Netns } from "../../sys/netns.ts";
import { ownNetns } from "../../sys/netns-path.ts";

/** The kernel as one look needs it, in this thread: nobody else waits for it. */
export interface DoctorKernel extends Disposable {
  readonly parents: Parents;
  readonly requests: Conversation;
  /** Where a link can be tried, or why not. */
  readonly scratch: Read<Scratch>;
  kinds(): Promise<HostFacts["kinds"]>;
  /** Who has the UDP port of tunnels; undefined when nobody has, or Open vSwitch. */
  tunnelPortHolder(): Promise<PortHolder | undefined>;
  /** Whether the rules of others let out and in what is behind these links. Throws `kernel`, `permission`. */
  forward(links: readonly GatewayLink[]): Promise<ForwardFacts>;
  /** Asks `target` by two MAC addresses. `onSend`: there is a macvlan, and frames leave now. Throws `permission`. */
  probe(
    parent: LinkFacts,
    target: Ip,
    onSend: (foreign: Mac) => void,
  ): Promise<Pick<ParentFacts, "probe" | "trial">>;
}

/** The kernel, or why nothing can be asked of it. */
export function openKernel(files: Files, release: string, bootId: string): Read<DoctorKernel> {
  try {
    return { known: kernelOver(openLibc(), files, release, bootId) };
  } catch (thrown) {
    const error = asUnderlayError(thrown);
    if (error.code !== "unsupported") throw error;
    return { unread: error.message };
  }
}

function kernelOver(libc: Libc, files: Files, release: string, bootId: string): DoctorKernel {
  using undo = new DisposableStack();
  const home = undo.adopt(ownNetns(), (netns) => netns.close());
  // Entering a namespace takes a capability, even one's own; a socket without a namespace takes none.
  const open = (protocol: number, netns?: Netns) =>
    new Conversation(
      inlineTransport(openRequestSocket(libc, protocol, netns?.inode === home.inode ? undefined : netns)),
    );
  const keep = (protocol: number, netns?: Netns) =>
    undo.adopt(open(protocol, netns), (conversation) => conversation.close());
  const requests = keep(NETLINK_ROUTE);
  const generic = keep(NETLINK_GENERIC);
  const scratch = mayMakeLinks(files)
    ? scratchIn(libc, undo, requests, (netns) => keep(NETLINK_ROUTE, netns))
    : { unread: NO_TRIAL };
  const kernel = {
    requests,
    generic,
    log: silentLog,
    converseIn: (netns: Netns) => open(NETLINK_ROUTE, netns),
  };
  const kept = undo.move();
  return {
    requests,
    scratch,
    parents: kernelParents(kernel, bootId),
    probe(parent, target, onSend) {
      if ("unread" in scratch) throw new UnderlayError("permission", scratch.unread);
      const foreign = deriveMac("probe", crypto.randomUUID());
      const ask = { parent, target, foreign, onSend: () => onSend(foreign) };
      return probeParent({ libc, scratch: scratch.known }, ask);
    },
    tunnelPortHolder: () => tunnelPortHolder(requests),
    async forward(links) {
      const legacyTables = files.text("/proc/net/ip_tables_names")?.split("\n") ?? [];
      const firewall = open(NETLINK_NETFILTER);
      try {
        return await forwardFacts(firewall, { links, legacyTables });
      } finally {
        firewall.close();
      }
    },
    kinds: () => kindFacts(files, release, "unread" in scratch ? scratch : { known: scratch.known.inside }),
    [Symbol.dispose]: () => kept.dispose(),
  };
}

const NO_TRIAL = "needs CAP_SYS_ADMIN and CAP_NET_ADMIN, to try a link where it does no harm: run as root";

/** A namespace may be made without it, and then nothing in it. */
function mayMakeLinks(files: Files): boolean {
  return processFacts(files, process.pid).capabilities?.includes("CAP_NET_ADMIN") !== false;
}

function scratchIn(
  libc: Libc,
  undo: DisposableStack,
  home: Conversation,
  converse: (netns: Netns) => Conversation,
): Read<Scratch> {
  try {
    const netns = undo.adopt(makeScratchNetns(libc), (made) => made.close());
    return { known: { netns, home, inside: converse(netns) } };
  } catch (thrown) {
    const error = asUnderlayError(thrown);
    if (error.code !== "permission") throw error;
    return { unread: NO_TRIAL };
  }
}
