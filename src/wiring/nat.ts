import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UnderlayError } from "../lib/errors.ts";
import type { ForwardFacts } from "../lib/forward-facts.ts";
import type { Log } from "../lib/log.ts";
import { forwardFacts, type GatewayLink } from "../links/nat/forward-look.ts";
import type { Sysctls } from "../links/nat/forwarding.ts";
import { type NatGateway, natGateway } from "../links/nat/gateway.ts";
import { processWith } from "../links/nat/holder.ts";
import { type HostPorts, hostPorts } from "../links/nat/ports.ts";
import { Conversation, type FrameTrace } from "../netlink/conversation.ts";
import { openNftablesEventSocket } from "../netlink/nft-events.ts";
import { NETLINK_NETFILTER, openRequestSocket } from "../netlink/open.ts";
import { listenInThread, type NetlinkThread, type StartWorker } from "../netlink/thread.ts";
import { holdPort } from "../sys/held-port.ts";
import type { Libc } from "../sys/libc.ts";
import type { Netns } from "../sys/netns.ts";

/** Gateways and published ports of a daemon: loaded when there is a network that needs them, or may have been one. */

export interface NatHost {
  readonly gateway: Pick<NatGateway, "apply">;
  readonly ports: HostPorts;
  /** Whether others' rules let out and in what is behind these links. Throws `kernel`, `permission`. */
  look(links: readonly GatewayLink[]): Promise<ForwardFacts>;
  /** The table stays; so do ports until the process ends. */
  close(): Promise<void>;
}

export interface NatHostParts {
  readonly libc: Libc;
  readonly log: Log;
  /** Where requests are sent: a transaction waits for those of other programs. */
  readonly thread: NetlinkThread;
  readonly startWorker: StartWorker;
  /** Is told when the thread that listens has ended by itself. */
  readonly onError: (error: UnderlayError) => void;
  readonly sysctls: Sysctls;
  readonly trace?: FrameTrace | undefined;
  /** Absent = this process's. */
  readonly netns?: Netns | undefined;
}

export function natHost(parts: NatHostParts): NatHost {
  const { libc, log, thread, startWorker, onError, sysctls, trace, netns } = parts;
  let conversation: Conversation | undefined;
  let listening: ReturnType<typeof listenInThread> | undefined;

  const firewall = () => {
    conversation ??= new Conversation(
      thread.transport(openRequestSocket(libc, NETLINK_NETFILTER, netns)),
      trace,
    );
    return conversation;
  };
  const gateway = natGateway({
    firewall,
    sysctls,
    log,
    listen: async (isNeeded) => {
      if (!isNeeded) return listenNoMore();
      listening ??= listenInThread(libc, startWorker, openNftablesEventSocket(libc, netns), {
        onEvent: (datagram) => gateway.onEvent(datagram),
        onOverrun: () => gateway.onOverrun(),
        onError,
      });
      await listening.catch((thrown: unknown) => {
        listening = undefined;
        throw thrown;
      });
    },
  });

  async function listenNoMore(): Promise<void> {
    const opened = listening;
    listening = undefined;
    await (await opened)?.close();
  }

  return {
    gateway,
    ports: hostPorts({
      take: (protocol, address, port) => holdPort(libc, { protocol, address, port, netns }),
      ephemeral: () => ephemeralPorts(sysctls),
      holder: processWith,
    }),
    look: (links) => forwardFacts(firewall(), { links, legacyTables: legacyTables() }),
    async close() {
      await listenNoMore();
      await gateway.settled();
      conversation?.close();
    },
  };
}

/** What a kernel has that nobody told otherwise, `Documentation/networking/ip-sysctl.rst`. */
const EPHEMERAL = [32_768, 60_999] as const;

function ephemeralPorts(sysctls: Sysctls): readonly [number, number] {
  const [first, last] = sysctls.read("ipv4/ip_local_port_range")?.split(/\s+/).map(Number) ?? [];
  return first && last ? [first, last] : EPHEMERAL;
}

/** Of the netns that this process is in. */
export const MACHINE_SYSCTLS: Sysctls = {
  read: (path) => unlessMissing(() => readFileSync(join(PROC_SYS_NET, path), "utf8").trim()),
  list: (path) => unlessMissing(() => readdirSync(join(PROC_SYS_NET, path))) ?? [],
  write(path, value) {
    try {
      writeFileSync(join(PROC_SYS_NET, path), value);
    } catch (cause) {
      const errno = errnoOf(cause);
      if (errno === undefined) throw cause;
      const code = ["EACCES", "EPERM", "EROFS"].includes(errno) ? "permission" : "kernel";
      const name = `net.${path.replaceAll("/", ".")}`;
      throw new UnderlayError(code, `set ${name}=${value}: ${errno}`, { errno, cause });
    }
  },
};

/** Tables of iptables-legacy. */
function legacyTables(): readonly string[] {
  return unlessMissing(() => readFileSync(LEGACY_TABLES, "utf8").trim().split("\n")) ?? [];
}

/** Is not there for a kernel that has no tables of that kind, or none yet. */
const LEGACY_TABLES = "/proc/net/ip_tables_names";

const PROC_SYS_NET = "/proc/sys/net";

function unlessMissing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}

function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
