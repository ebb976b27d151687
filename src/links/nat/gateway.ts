import { asUnderlayError } from "../../lib/errors.ts";
import type { Log } from "../../lib/log.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { isErrno } from "../../netlink/failure.ts";
import { generation, generationIn } from "../../netlink/nft-events.ts";
import { acceptForwarded } from "./accept.ts";
import { changedUdpPorts, forgetFlows } from "./flows.ts";
import { allowForwarding, type Sysctls } from "./forwarding.ts";
import { type NatNetwork, TABLE } from "./rules.ts";
import { natTable } from "./table.ts";

/** All networks behind gateways of this host, as the kernel is to have them, and goes on having them. */
export interface NatGateway {
  /**
   * These networks and no others. Resolves when the kernel has them. Calls that come while another works are served
   * together, by the newest. Throws `kernel`, `permission`; `unsupported`, but not for no networks.
   */
  apply(networks: readonly NatNetwork[]): Promise<void>;
  /** A datagram of the event socket: somebody changed nftables, and perhaps ours. */
  onEvent(datagram: Uint8Array): void;
  /** Events were lost. */
  onOverrun(): void;
  /** Resolves when nothing is under way that an event began. */
  settled(): Promise<void>;
}

export interface NatGatewayParts {
  /** Over NETLINK_NETFILTER in the host's netns, opened when it is needed. */
  readonly firewall: () => Conversation;
  readonly sysctls: Sysctls;
  readonly log: Log;
  /** Has `onEvent` called from now on, or no more: it is from before the first network is made until the last is gone. */
  readonly listen: (isNeeded: boolean) => Promise<void>;
}

export function natGateway(parts: NatGatewayParts): NatGateway {
  const { firewall, sysctls, log, listen } = parts;
  /** Absent until somebody says what is wanted: what is there then is not ours to judge. */
  let wanted: readonly NatNetwork[] | undefined;
  /** What the kernel had last; absent before the first time. */
  let made: readonly NatNetwork[] | undefined;
  /** The last transaction of anybody that was looked at. */
  let seen = 0;
  /** The last transaction, if it was ours and all was as it should be. */
  let settledAt: number | undefined;
  let lastPassing: string | undefined;
  const table = natTable(firewall);
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  /** One at a time, and at most one that waits: it sees all that has come until it begins. */
  function soon(): Promise<void> {
    if (next) return next;
    const turn = (running ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => {
        running = next;
        next = undefined;
        const networks = wanted ?? [];
        return makeSo(networks).catch((thrown: unknown) => {
          if (networks.length > 0 || !isErrno(thrown, ...WITHOUT_NFTABLES)) throw thrown;
        });
      });
    next = turn;
    const end = () => {
      if (running === turn) running = undefined;
    };
    turn.then(end, end);
    return turn;
  }

  async function makeSo(networks: readonly NatNetwork[]): Promise<void> {
    if (networks.length > 0) await listen(true);
    const start = await generation(firewall());
    const isUntouched = start === settledAt;
    settledAt = undefined;
    seen = start;
    const passing = sayPassing(networks);
    const passed =
      isUntouched && passing === lastPassing ? 0 : await acceptForwarded(firewall(), networks, log);
    const applied = await table.apply(networks, isUntouched);
    const own = passed + (applied === "kept" ? 0 : 1);
    if (applied !== "kept") {
      log("debug", `table ${TABLE.family} ${TABLE.table}: ${applied}`, { networks: networks.length });
      await forgetFlows(firewall(), changedUdpPorts(made, networks), log);
    }
    made = networks;
    lastPassing = passing;
    allowForwarding(networks, sysctls, log);
    // As many transactions as were ours: what there is now is what we made. Else there is an event that says more.
    const end = await generation(firewall());
    if (((end - start) | 0) === own) seen = settledAt = end;
    if (networks.length === 0) await listen(false);
  }

  function look(): void {
    if (!wanted) return;
    soon().catch((thrown: unknown) => {
      log(
        "error",
        `table ${TABLE.family} ${TABLE.table} cannot be made again: ${asUnderlayError(thrown).message}`,
      );
    });
  }

  return {
    apply(networks) {
      wanted = networks;
      return soon();
    },
    onEvent(datagram) {
      const id = generationIn(datagram);
      if (id !== undefined && isAfter(id, seen)) look();
    },
    onOverrun: look,
    async settled() {
      await Promise.allSettled([running, next]);
    },
  };
}

/** What a kernel says that has none: there is nothing of ours to take away. */
const WITHOUT_NFTABLES = ["EINVAL", "EOPNOTSUPP", "EAFNOSUPPORT", "EPROTONOSUPPORT"] as const;

/** What the rules beside Docker's depend on. */
function sayPassing(networks: readonly NatNetwork[]): string {
  return networks
    .map(({ id, bridge, internal = false, subnets }) =>
      [id, bridge, internal, ...subnets.map(({ ip }) => ip.family)].join(" "),
    )
    .join("\n");
}

/** Both count on from 2^32 - 1 to 0. */
function isAfter(id: number, other: number): boolean {
  return ((id - other) | 0) > 0;
}
