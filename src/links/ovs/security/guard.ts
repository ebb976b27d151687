import type { Clock } from "../../../lib/clock.ts";
import { asUnderlayError, UnderlayError } from "../../../lib/errors.ts";
import type { Log } from "../../../lib/log.ts";
import type { OpenFlowSwitch } from "../../../openflow/switch.ts";
import { collect, compare, type Difference, type FlowPort, install, remove } from "./installed.ts";

/** A port as the guard remembers it: its number may be another one when ovs-vswitchd was started again, its name is not. */
export type GuardedPort = FlowPort & {
  /** Of the link and of its port, at most 15 bytes. */
  readonly name: string;
};

export interface GuardOptions {
  readonly bridge: string;
  /** Connects to the bridge: `openSwitch` with `RUNDIR/BRIDGE.mgmt`. */
  readonly open: () => Promise<OpenFlowSwitch>;
  readonly clock: Clock;
  readonly log: Log;
}

interface Pause {
  readonly first: number;
  readonly last: number;
}

/**
 * Milliseconds between two tries, the first, doubled up to the last, to reach a bridge that was lost. From when it is back
 * until it is reached everything passes, and a try that is refused costs next to nothing.
 */
const RETRY_MS: Pause = { first: 20, last: 200 };
/** The same to find a port that a bridge did not have when it was back. One whose container ended meanwhile never comes. */
const ABSENT_MS: Pause = { first: 200, last: 5_000 };

/**
 * Keeps the ports of one bridge secured. ovs-vswitchd forgets all flows when it ends, and lets everything pass when it is
 * back: so the connection is held, its loss is what tells, and all are secured again as soon as the bridge answers. Flows
 * that somebody else takes away meanwhile come back with the next `repair`. What is asked of the bridge is asked one after
 * another.
 */
export class BridgeGuard implements Disposable {
  readonly #options: GuardOptions;
  readonly #ports = new Map<bigint, GuardedPort>();
  /** Released while nobody knew whether the bridge has their flows: `ovs-ctl restart` saves and restores them. */
  readonly #owed = new Set<bigint>();
  #bridge: OpenFlowSwitch | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #stopWaiting: (() => void) | undefined;
  #absent: ReadonlySet<string> = new Set();
  /** Why the last try failed: told once. */
  #why = "";
  #isLost = false;
  #isOver = false;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the ports may send what is theirs and nothing else; to be awaited before a container gets the other end:
   * what a port has sent already its datapath remembers for some milliseconds, and some hundred on a busy machine.
   * They are guarded from then on, and again after a call with other addresses. When it throws they are not, and whoever
   * gives up releases them: `unreachable` or `timeout` when ovs-vswitchd does not answer, `conflict`, `kernel`,
   * `permission`, `unsupported`.
   */
  secure(...ports: readonly GuardedPort[]): Promise<void> {
    return this.#inTurn(async () => {
      await install(await this.#reach(), ports);
      for (const port of ports) {
        this.#ports.set(port.cookie, port);
        this.#owed.delete(port.cookie);
      }
    });
  }

  /**
   * Takes an endpoint's flows away; to be awaited before its port is removed, for another port may then have the number,
   * and after its link is down, for from here on the port is one like any other. A bridge that cannot be reached has no
   * flows, and if it has them when it is back they are taken then: that is success.
   */
  release(...cookies: readonly bigint[]): Promise<void> {
    return this.#inTurn(async () => {
      for (const cookie of cookies) {
        this.#ports.delete(cookie);
        this.#owed.add(cookie);
      }
      try {
        const bridge = await this.#reach();
        await this.#pay(bridge);
      } catch (thrown) {
        if (asUnderlayError(thrown).code !== "unreachable") throw thrown;
      }
    });
  }

  /** How the bridge differs from what is guarded, now. */
  check(): Promise<Difference> {
    return this.#inTurn(async () => compare(await this.#reach(), [...this.#ports.values()]));
  }

  /** Mends what `check` would find; answers how many flows that took. A bridge without guarded ports may be gone. */
  repair(): Promise<number> {
    return this.#inTurn(async () => {
      if (this.#isIdle()) return 0;
      try {
        const bridge = await this.#reach();
        await this.#pay(bridge);
        return await this.#restore(bridge);
      } catch (thrown) {
        if (this.#ports.size === 0 && asUnderlayError(thrown).code === "unreachable") return 0;
        throw thrown;
      }
    });
  }

  /**
   * Takes away flows of ours that belong to no endpoint; answers their cookies. `keep`: those of endpoints that others
   * secured, a CNI plugin for example; what is guarded here is kept anyway.
   */
  collect(keep: Iterable<bigint> = []): Promise<bigint[]> {
    return this.#inTurn(async () => collect(await this.#reach(), new Set([...keep, ...this.#ports.keys()])));
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#stopWaiting?.();
    this.#bridge?.[Symbol.dispose]();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(work);
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  /** The bridge, with all that is guarded secured: when it was lost meanwhile, that is done first. */
  async #reach(): Promise<OpenFlowSwitch> {
    if (this.#bridge) return this.#bridge;
    const bridge = await this.#options.open();
    try {
      if (this.#isOver) throw new UnderlayError("unreachable", `${this.#options.bridge}: the guard is gone`);
      await this.#pay(bridge);
      await this.#restore(bridge);
    } catch (thrown) {
      bridge[Symbol.dispose]();
      throw thrown;
    }
    this.#bridge = bridge;
    void bridge.lost.then((error) => this.#lose(error));
    return bridge;
  }

  #lose(error: UnderlayError): void {
    this.#bridge = undefined;
    if (this.#isIdle()) return;
    this.#isLost = true;
    const { log, bridge } = this.#options;
    // It is silent, and switches on by the flows that it has, while its database does not answer it.
    const state = error.code === "timeout" ? "cannot be seen to" : "is off";
    const message = `${bridge}: port security ${state} until ovs-vswitchd is back`;
    log("warn", message, { ports: this.#ports.size, cause: error.message });
    this.#why = "";
    this.#comeBack(RETRY_MS);
  }

  #isIdle(): boolean {
    return this.#isOver || (this.#ports.size === 0 && this.#owed.size === 0);
  }

  #comeBack(pause: Pause, wait = pause.first): void {
    const { bridge, clock, log } = this.#options;
    this.#stopWaiting?.();
    const again = () => this.#comeBack(pause, Math.min(wait * 2, pause.last));
    const work = async () => {
      if (this.#isIdle() || (this.#bridge && !this.#lacksPort())) return;
      if (this.#bridge && !(await this.#hasCome(this.#bridge))) again();
      else if (this.#bridge) await this.#restore(this.#bridge);
      else await this.#reach();
    };
    this.#stopWaiting = clock.after(wait, () => {
      void this.#inTurn(work).catch((thrown) => {
        const cause = asUnderlayError(thrown).message;
        if (cause !== this.#why) log("debug", `${bridge}: not secured yet`, { cause });
        this.#why = cause;
        again();
      });
    });
  }

  #lacksPort(): boolean {
    return [...this.#ports.values()].some(({ name }) => this.#absent.has(name));
  }

  /** Whether the bridge has one of the ports that it lacked. */
  async #hasCome(bridge: OpenFlowSwitch): Promise<boolean> {
    return (await bridge.ports()).some(({ name }) => this.#absent.has(name));
  }

  /** Takes away what was released meanwhile. */
  async #pay(bridge: OpenFlowSwitch): Promise<void> {
    const owed = [...this.#owed];
    if (owed.length > 0) await remove(bridge, owed);
    for (const cookie of owed) this.#owed.delete(cookie);
  }

  /** Secures all ports that the bridge has, by the numbers that they have now; the others are asked for again. */
  async #restore(bridge: OpenFlowSwitch): Promise<number> {
    if (this.#ports.size === 0) return 0;
    const { log, bridge: on } = this.#options;
    const numbers = new Map((await bridge.ports()).map(({ name, number }) => [name, number]));
    const present: GuardedPort[] = [];
    const absent: GuardedPort[] = [];
    for (const port of this.#ports.values()) {
      const ofport = numbers.get(port.name);
      if (ofport === undefined) absent.push(port);
      else present.push({ ...port, ofport });
    }
    const flows = await this.#install(bridge, present);
    for (const port of present) this.#ports.set(port.cookie, port);
    if (this.#isLost) log("info", `${on}: port security is on again`, { ports: present.length, flows });
    this.#isLost = false;
    this.#absent = new Set(absent.map(({ name }) => name));
    if (absent.length > 0) {
      log("debug", `${on}: no such ports to secure`, { ports: [...this.#absent].join(", ") });
      this.#comeBack(ABSENT_MS);
    }
    return flows;
  }

  /** All at once; when that is refused one by one, so that only those go without that are to blame. */
  async #install(bridge: OpenFlowSwitch, ports: readonly GuardedPort[]): Promise<number> {
    try {
      return await install(bridge, ports);
    } catch (thrown) {
      if (ports.length < 2 || isNoAnswer(thrown)) throw thrown;
    }
    let flows = 0;
    for (const port of ports) {
      try {
        flows += await install(bridge, [port]);
      } catch (thrown) {
        if (isNoAnswer(thrown)) throw thrown;
        const cause = asUnderlayError(thrown).message;
        this.#options.log("error", `${this.#options.bridge}: ${port.name} is not secured`, { cause });
      }
    }
    return flows;
  }
}

function isNoAnswer(thrown: unknown): boolean {
  const { code } = asUnderlayError(thrown);
  return code === "unreachable" || code === "timeout";
}
