import type { Clock } from "../lib/clock.ts";
import type { UnderlayError } from "../lib/errors.ts";
import { bundleControl } from "./bundle.ts";
import { Conversation, type ConversationOptions, type OpenWire, type Request } from "./conversation.ts";
import { encodeFlowMod, type FlowMod } from "./flow-mod.ts";
import type { Match } from "./match.ts";
import { flowsIn, flowsRequest, type InstalledFlow, portsIn, portsRequest } from "./multipart.ts";
import { OFP_VERSION, OFPT, type OfpVersion } from "./numbers.ts";
import { decodePorts, type Port } from "./ports.ts";
import { openUnixWire } from "./wire.ts";

/** What is asked of one bridge over its OpenFlow connection. Every call throws as `Conversation.exchange` does. */
export interface OpenFlowSwitch extends Disposable {
  readonly version: OfpVersion;
  /** When the connection is over, and why; also after it was disposed of. Never rejects. */
  readonly lost: Promise<UnderlayError>;
  /**
   * Changes flows, in order, and resolves when they are in force. With OpenFlow 1.4 all of them come to pass at once or
   * none does; with 1.3 those before and behind one that is refused do. `what`: "secure port 5".
   */
  change(what: string, mods: readonly FlowMod[]): Promise<void>;
  /**
   * The flows of all tables whose cookie is the same in the bits of the mask, and which match no more than `within`:
   * `{ inPort: 5 }` are those for frames of port 5 and of no other.
   */
  flows(cookie: bigint, mask: bigint, within?: Match): Promise<InstalledFlow[]>;
  ports(): Promise<Port[]>;
}

/** `path`: `RUNDIR/BRIDGE.mgmt`. Resolves when the bridge has answered. */
export function openSwitch(
  path: string,
  options: { readonly bridge: string; readonly clock: Clock },
): Promise<OpenFlowSwitch> {
  return switchOver((events) => openUnixWire(path, events), options);
}

/** The same over any wire. */
export async function switchOver(openWire: OpenWire, options: ConversationOptions): Promise<OpenFlowSwitch> {
  const conversation = await Conversation.open(openWire, options);
  let bundles = 0;

  async function inBundle(what: string, mods: readonly Request[]): Promise<void> {
    bundles = (bundles + 1) >>> 0;
    const bundle = bundles;
    const control = (type: Parameters<typeof bundleControl>[1]): Request => ({
      type: OFPT.OFPT_BUNDLE_CONTROL,
      body: bundleControl(bundle, type),
    });
    const end = (type: Parameters<typeof bundleControl>[1]) =>
      conversation.exchange(what, [control(type)], OFPT.OFPT_BUNDLE_CONTROL);
    try {
      // A message that was refused is missing in the bundle, and the rest of it could still be committed.
      const added = mods.map((mod) => ({ ...mod, bundle }));
      await conversation.exchange(what, [control("OFPBCT_OPEN_REQUEST"), ...added, BARRIER], BARRIER_REPLY);
    } catch (refused) {
      // It may be gone already: Open vSwitch drops some with the first error.
      await end("OFPBCT_DISCARD_REQUEST").catch(() => undefined);
      throw refused;
    }
    await end("OFPBCT_COMMIT_REQUEST");
  }

  async function multipart(what: string, body: Uint8Array) {
    const request = { type: OFPT.OFPT_MULTIPART_REQUEST, body };
    return conversation.exchange(what, [request], OFPT.OFPT_MULTIPART_REPLY);
  }

  return {
    version: conversation.version,
    lost: conversation.lost,
    async change(what, mods) {
      if (mods.length === 0) return;
      const requests = mods.map((mod) => ({ type: OFPT.OFPT_FLOW_MOD, body: encodeFlowMod(mod) }));
      if (conversation.version === OFP_VERSION["1.4"]) await inBundle(what, requests);
      else await conversation.exchange(what, [...requests, BARRIER], BARRIER_REPLY);
    },
    async flows(cookie, mask, within) {
      const answers = await multipart("list its flows", flowsRequest(cookie, mask, within));
      const flows: InstalledFlow[] = [];
      for (const { body } of answers) {
        flows.push(...flowsIn(body));
        // Of 17,000 flows there are some 40, and others wait for this thread.
        await new Promise(setImmediate);
      }
      return flows;
    },
    async ports() {
      const answers = await multipart("list its ports", portsRequest());
      return answers.flatMap(({ body }) => decodePorts(portsIn(body), conversation.version));
    },
    [Symbol.dispose]: () => conversation[Symbol.dispose](),
  };
}

const BARRIER: Request = { type: OFPT.OFPT_BARRIER_REQUEST, body: new Uint8Array() };
const BARRIER_REPLY = OFPT.OFPT_BARRIER_REPLY;
