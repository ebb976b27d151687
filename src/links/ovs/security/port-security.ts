import type { Clock } from "../../../lib/clock.ts";
import type { Ip } from "../../../lib/ip.ts";
import type { Log } from "../../../lib/log.ts";
import type { Mac } from "../../../lib/mac.ts";
import { settleAll } from "../../../lib/settle.ts";
import { type OpenFlowSwitch, openSwitch } from "../../../openflow/switch.ts";
import { cookieOf } from "./cookie.ts";
import { BridgeGuard, type GuardedPort } from "./guard.ts";
import type { SharedGateway } from "./tunnel-flows.ts";

/** Port security of all bridges of an Open vSwitch, in the words of the engine: ports have owners, not cookies. */
export interface PortSecurity extends Disposable {
  /**
   * Secures ports of a bridge and guards them from then on; again, with what is wanted now. To be awaited after the port has
   * its number and before its container gets the other end. Throws as `BridgeGuard.secure` does.
   */
  secure(bridge: string, ...ports: readonly OwnedPort[]): Promise<void>;
  /**
   * Takes away the flows of owners; that there are none, or no such bridge, is success. To be awaited after the link is
   * down and before the port is removed: another may then have its number.
   */
  release(bridge: string, ...owners: readonly string[]): Promise<void>;
  /** Mends what others did to the flows of guarded ports, on every bridge; answers how many flows that took. */
  repair(): Promise<number>;
  /**
   * Takes away flows of ours on a bridge whose owner is none of these and is not guarded here; answers how many owners
   * that were. Flows of endpoints that a CNI process secured have owners, too.
   */
  collect(bridge: string, owners: Iterable<string>): Promise<number>;
  /** Ends guarding a bridge, which is gone. */
  forget(bridge: string): void;
}

/** A container's port, or a tunnel of a network that has its gateway on every host. */
export type OwnedPort = { readonly owner: string; readonly name: string; readonly ofport: number } & (
  | { readonly mac: Mac; readonly addresses: readonly Ip[] }
  | { readonly gateway: SharedGateway }
);

export interface PortSecurityOptions {
  /** Run directory of ovs-vswitchd, where `BRIDGE.mgmt` is: that of the database's socket. */
  readonly rundir: string;
  readonly clock: Clock;
  readonly log: Log;
  /** How a bridge is connected to; absent: its socket in the run directory. */
  readonly open?: (bridge: string) => Promise<OpenFlowSwitch>;
}

export function portSecurity({ rundir, clock, log, ...options }: PortSecurityOptions): PortSecurity {
  const open = options.open ?? ((bridge) => openSwitch(`${rundir}/${bridge}.mgmt`, { bridge, clock }));
  const guards = new Map<string, BridgeGuard>();

  function guardOf(bridge: string): BridgeGuard {
    const known = guards.get(bridge);
    if (known) return known;
    const guard = new BridgeGuard({ bridge, open: () => open(bridge), clock, log });
    guards.set(bridge, guard);
    return guard;
  }

  function forget(bridge: string): void {
    guards.get(bridge)?.[Symbol.dispose]();
    guards.delete(bridge);
  }

  return {
    secure: (bridge, ...ports) => guardOf(bridge).secure(...ports.map(guarded)),
    release: (bridge, ...owners) => guardOf(bridge).release(...owners.map(cookieOf)),
    async repair() {
      let flows = 0;
      await settleAll(
        [...guards.values()].map((guard) => async () => {
          flows += await guard.repair();
        }),
      );
      return flows;
    },
    async collect(bridge, owners) {
      const strays = await guardOf(bridge).collect([...owners].map(cookieOf));
      return strays.length;
    },
    forget,
    [Symbol.dispose]() {
      for (const bridge of [...guards.keys()]) forget(bridge);
    },
  };
}

function guarded({ owner, ...port }: OwnedPort): GuardedPort {
  return { ...port, cookie: cookieOf(owner) };
}
