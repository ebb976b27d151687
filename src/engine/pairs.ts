import type { Assigned } from "../lib/attach.ts";
import { UnderlayError } from "../lib/errors.ts";
import type { Ip } from "../lib/ip.ts";
import type { Pair, PairRequest, PairStrays, SetOnHost } from "../lib/pair.ts";
import { settleAll } from "../lib/settle.ts";
import type { Going } from "../links/gone-inside.ts";
import type { Connected, HostSide, ToldSide } from "../links/host-side.ts";
import type { Masquerade } from "../links/veth/masquerade.ts";
import type { VethPairs } from "../links/veth/pair.ts";
import type { Configuration, Target } from "../sandbox/configure.ts";
import { requireSameNetns, requireSandbox, type Sandbox, type Sandboxes } from "../sandbox/sandbox.ts";
import { verifyConfiguration } from "../sandbox/verify.ts";
import type { StepReached } from "./steps.ts";

/** Attachments by a pair of links, one end in the container and one on the host. What is there is their record. */
export interface Pairs {
  /**
   * Makes the pair, gets its addresses, connects it. What an earlier try left is replaced; what this one does is undone
   * when it fails, but for what it shares with others: a bridge and its addresses, and that the host forwards. Throws
   * `not_found` (netns), `invalid_option`, `conflict`, `kernel`, `unsupported`.
   */
  attach(request: PairRequest): Promise<PairAttached>;
  /** Takes all of it away, each part whatever becomes of the others. What is gone already is success. */
  detach(request: PairDetachRequest): Promise<void>;
  /** Throws `conflict` when something is not as it was made. */
  verify(request: PairVerifyRequest): Promise<void>;
  /** Removes what is left of them. Their addresses are their source's to collect. */
  collect(strays: PairStrays): Promise<void>;
  /** Throws what would keep an attachment from being made now. */
  requireReady(wish: Pick<PairRequest, "masquerade">): Promise<void>;
}

export interface PairAttached extends Pair, Connected {
  readonly assigned: Assigned;
}

export interface PairDetachRequest extends Pick<PairRequest, "key" | "netns" | "masquerade" | "giveBack"> {}

export interface PairVerifyRequest extends Pick<PairRequest, "key" | "netns"> {
  /** Bytes; absent or 0: any. */
  readonly mtu?: number;
  /** The netns, as it was told when the pair was made. */
  readonly toldNetns: string;
  readonly toldMac?: string;
  readonly toldLinks: ToldSide["links"];
  readonly assigned: Assigned;
}

export interface PairContext {
  readonly sandboxes: Sandboxes;
  readonly pairs: VethPairs;
  readonly side: HostSide;
  /** Loaded when asked for. */
  readonly masquerade: () => Promise<Masquerade>;
  readonly setOnHost: SetOnHost;
  readonly configure: (sandbox: Sandbox, target: Target, wanted: Configuration) => Promise<void>;
  readonly step: StepReached;
  /** Returns when nobody else has these IPv6 addresses; throws `conflict`, `timeout`. */
  readonly awaitDuplicateCheck: (sandbox: Sandbox, target: Target, addresses: readonly Ip[]) => Promise<void>;
}

export function pairs(context: PairContext): Pairs {
  const { sandboxes, side, setOnHost, configure, step } = context;

  async function attach(request: PairRequest): Promise<PairAttached> {
    const { key, mac, hostMac, addresses, giveBack } = request;
    using sandbox = requireSandbox(sandboxes, request.netns);
    await using undo = new AsyncDisposableStack();
    const master = await side.prepare();
    const mtu = request.mtu === "inherited" ? master?.mtu : request.mtu;

    step("pair.before-link");
    const pair = await context.pairs.make(sandbox, {
      key,
      owner: request.owner,
      ...(mtu !== undefined && mtu > 0 && { mtu }),
      ...(mac !== undefined && { mac }),
      ...(hostMac !== undefined && { hostMac }),
      ...(master && { master: master.ifindex }),
    });
    // A try of the same attachment that runs beside this one may have put its own pair there: then all is that one's.
    const undoUnlessReplaced = (work: () => Promise<void>) =>
      undo.defer(async () => {
        if (!(await context.pairs.isReplaced(pair))) await work();
      });
    undoUnlessReplaced(async () => (await context.pairs.remove(sandbox, key))?.awaitGone());
    step("pair.after-link");
    setOnHost(NO_ROUTERS(pair.host.name));
    undoUnlessReplaced(() => side.unplug(key, true));
    await side.plug(pair, sandbox);
    step("pair.after-plug");

    // It may fail with some of the addresses given.
    if (addresses && giveBack) undoUnlessReplaced(giveBack);
    const assigned = addresses ? await addresses() : NOTHING;
    step("pair.after-addresses");
    const { detectDuplicates, keepDown = false } = request;
    const target = { ifindex: pair.inside.ifindex, ifname: key.ifname };
    if (!keepDown)
      await configure(sandbox, target, {
        ...assigned,
        ...(detectDuplicates !== undefined && { detectDuplicates }),
      });
    step("pair.after-configure");

    const connected = await side.connect(pair, assigned.addresses, !keepDown);
    if (side.forwards) setOnHost(forwarding(assigned));
    if (detectDuplicates && !keepDown) {
      await context.awaitDuplicateCheck(
        sandbox,
        target,
        assigned.addresses.map(({ address }) => address.ip),
      );
    }
    step("pair.after-connect");
    if (request.masquerade && assigned.addresses.length > 0) {
      const masquerade = await context.masquerade();
      undoUnlessReplaced(() => masquerade.remove(key));
      await masquerade.add(
        key,
        assigned.addresses.map(({ address }) => address),
      );
    }
    step("pair.after-masquerade");

    undo.move();
    return { ...pair, ...connected, assigned };
  }

  /** Rules and addresses are taken back while the link goes. */
  async function detach({ key, netns, giveBack, ...request }: PairDetachRequest): Promise<void> {
    using sandbox = netns === "" ? undefined : sandboxes(netns);
    let going: Going | undefined;
    await settleAll([
      async () => {
        going = await context.pairs.remove(sandbox, key);
        step("unpair.after-link");
      },
      () => giveBack?.(),
      () => step("unpair.after-addresses"),
      () => side.unplug(key, going !== undefined),
      async () => {
        if (request.masquerade) await (await context.masquerade()).remove(key);
      },
      () => going?.awaitGone(),
    ]);
  }

  async function verify(request: PairVerifyRequest): Promise<void> {
    const { key, mtu, toldMac, toldLinks, assigned } = request;
    using sandbox = requireSandbox(sandboxes, request.netns);
    requireSameNetns(sandboxes, request, sandbox);
    const pair = await context.pairs.find(sandbox, key);
    const { inside } = pair;
    const differences = [
      ...(mtu === undefined || mtu === 0 || inside.mtu === mtu
        ? []
        : [`its mtu is ${inside.mtu}, not ${mtu}`]),
      ...(toldMac === undefined || inside.mac === toldMac
        ? []
        : [`its mac is ${inside.mac}, not ${toldMac}`]),
    ];
    if (differences.length > 0) {
      throw new UnderlayError("conflict", `link ${key.ifname} of the container: ${differences.join("; ")}`);
    }
    await verifyConfiguration(sandbox, key.ifname, assigned);
    await side.verify(pair, { addresses: assigned.addresses, links: toldLinks });
  }

  async function collect(strays: PairStrays): Promise<void> {
    await settleAll([
      () => context.pairs.collect(strays),
      () => side.collect(strays),
      async () => (await context.masquerade()).collect(strays),
    ]);
  }

  return {
    attach,
    detach,
    verify,
    collect,
    async requireReady(wish) {
      await settleAll([
        () => side.requireReady(),
        async () => {
          if (wish.masquerade) await (await context.masquerade()).requireReady();
        },
      ]);
    },
  };
}

const NOTHING: Assigned = { addresses: [], routes: [] };

/** The host takes no advice from a container about where its packets go. */
const NO_ROUTERS = (name: string) =>
  [{ path: `ipv6/conf/${name}/accept_ra`, value: "0", optional: true }] as const;

const FORWARDING = { 4: "ipv4/ip_forward", 6: "ipv6/conf/all/forwarding" } as const;

function forwarding({ addresses }: Assigned) {
  const families = new Set(addresses.map(({ address }) => address.ip.family));
  return [...families].map((family) => ({ path: FORWARDING[family], value: "1" }));
}
