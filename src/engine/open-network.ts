import { asUnderlayError } from "../lib/errors.ts";
import type { LinkDriver, LinkSpec } from "../links/driver.ts";
import { type Context, livingOn } from "./context.ts";
import type { Gateways } from "./gateways.ts";
import { networkKey } from "./networks.ts";
import { bornFor } from "./provision.ts";
import { learntBy, type NetworkRecord, subnetsOf } from "./records.ts";

/** What a network has beside its record and the links of its endpoints: things on its parent, and its way out. */
export interface OpenNetworks {
  /** Of a network just recorded. One that cannot be opened is none: then its record goes, and what was made. */
  open(network: NetworkRecord): Promise<NetworkRecord>;
  /** Of one that goes, whichever process opened it. */
  close(network: NetworkRecord): Promise<void>;
  /** Brings what it has on its parent to what its record says; answers that with what was learnt. */
  prepare(network: NetworkRecord): Promise<NetworkRecord>;
  /** Makes again what is missing, of all networks and their endpoints. What fails is logged, once for as long as it fails in the same way. */
  keepOpen(): Promise<void>;
}

export function openNetworks(context: Context, gateways: Pick<Gateways, "sync" | "refresh">): OpenNetworks {
  const { networks, drivers, queues, log } = context;
  const failing = new Map<string, string>();

  function isLast({ owner, parent }: NetworkRecord): boolean {
    return networks.with("parent", parent.name).every((other) => other.owner === owner);
  }

  async function prepare(network: NetworkRecord): Promise<NetworkRecord> {
    const { owner, kind, spec } = network;
    const gateways = subnetsOf(network).flatMap(({ gateway }) => gateway ?? []);
    const peers = learntBy(network);
    const prepared: LinkSpec = await drivers[kind].prepare(spec, owner, { gateways, peers });
    if (Bun.deepEquals(prepared, spec)) return network;
    const changed = { ...network, spec: prepared };
    await networks.put(changed);
    return changed;
  }

  async function makeWhole(owner: string): Promise<void> {
    const network = networks.get(owner);
    if (network?.state !== "active") return;
    const { kind, spec } = await prepare(network);
    await drivers[kind].resume(spec, livingOn(context, owner).map(bornFor));
  }

  async function finished(driver: LinkDriver): Promise<void> {
    try {
      await driver.finish();
      failing.delete(driver.kind);
    } catch (thrown) {
      const error = asUnderlayError(thrown).message;
      if (failing.get(driver.kind) !== error)
        log("warn", "what was interrupted cannot be taken back yet", { kind: driver.kind, error });
      failing.set(driver.kind, error);
    }
  }

  return {
    prepare,
    async open(network) {
      const { owner, kind, spec } = network;
      await using undo = new AsyncDisposableStack();
      undo.defer(gateways.refresh);
      undo.defer(() => networks.delete(owner));
      const opened = await prepare(network);
      undo.defer(() => drivers[kind].dismantle(spec, owner, isLast(network)));
      if (spec.hostIsGateway) await gateways.sync();
      undo.move();
      return opened;
    },
    close: (network) => drivers[network.kind].dismantle(network.spec, network.owner, isLast(network)),
    async keepOpen() {
      for (const driver of Object.values(drivers)) await finished(driver);
      for (const { owner } of networks.list()) {
        try {
          // In its turn: what is just being removed must not be made again.
          await queues.run([networkKey(owner)], () => makeWhole(owner));
          failing.delete(owner);
        } catch (thrown) {
          const error = asUnderlayError(thrown);
          if (failing.get(owner) !== error.message)
            log("warn", "a network cannot be made whole again", { network: owner, error: error.message });
          failing.set(owner, error.message);
          // Whatever the others need does not answer either.
          if (error.code === "unreachable") return;
        }
      }
    },
  };
}
