import type { Attachments } from "../engine/attach.ts";
import type { Pairs } from "../engine/pairs.ts";
import type { Attached, ParentWish } from "../lib/attach.ts";
import { derivePortMac } from "../lib/mac.ts";
import type { BridgeWish } from "../lib/pair.ts";
import type { Leaving, Wanted } from "./container.ts";
import type { LinkReading, OnBridge, OnParent } from "./kinds.ts";

/** How links of a kind come and go, in the engine's words. */
export interface Attaching {
  /** Answers the name of what they hang on. Throws what would keep one from being made now. */
  requireReady(wish: { readonly parent: ParentWish; readonly mtu?: number }): Promise<string | undefined>;
  attach(wanted: Wanted): Promise<Omit<Attached, "mtu">>;
  detach(leaving: Leaving): Promise<void>;
}

/** The engine, its parts made when they are asked for. */
export interface Engine {
  attachments(): Attachments;
  pairs(wish: BridgeWish): Promise<Pairs>;
}

export function attachingOf(engine: Engine, link: LinkReading): Attaching {
  return link.on === "parent" ? onParent(engine, link) : onBridge(engine, link);
}

function onParent({ attachments }: Engine, link: OnParent): Attaching {
  return {
    requireReady: (wish) => attachments().requireReady({ ...wish, link: link.wish(undefined) }),
    attach({ owner, key, netns, parent, mac, mtu, assigned }) {
      return attachments().attach({
        owner,
        netns,
        ifname: key.ifname,
        parent,
        link: link.wish(mac),
        ...(mtu !== undefined && { mtu }),
        autoconf: false,
        addresses: async () => assigned,
      });
    },
    detach: ({ owner, key, netns, parent }) =>
      attachments().detach({ netns, ifname: key.ifname, user: { owner, parent } }),
  };
}

function onBridge({ pairs }: Engine, { vlan }: OnBridge): Attaching {
  const portOf = ({ name = "" }: ParentWish) =>
    pairs({
      name,
      mustExist: true,
      ...(vlan !== undefined && { vlans: { untagged: vlan, tagged: [], keepDefault: false } }),
      ...{ promisc: false, hairpin: false, isolated: false },
      ...{ isGateway: false, forceAddress: false, checkMac: false },
    });
  return {
    async requireReady({ parent }) {
      const engine = await portOf(parent);
      await engine.requireReady({ masquerade: false });
      return parent.name;
    },
    async attach({ owner, key, netns, parent, mac, mtu, assigned }) {
      const engine = await portOf(parent);
      const { inside } = await engine.attach({
        key,
        owner,
        netns,
        mtu: mtu ?? "inherited",
        ...(mac !== undefined && { mac }),
        hostMac: derivePortMac(owner),
        masquerade: false,
        addresses: async () => assigned,
      });
      return { ...(inside.mac !== undefined && { mac: inside.mac }), assigned };
    },
    async detach({ key, netns, parent }) {
      const engine = await portOf(parent);
      await engine.detach({ key, netns, masquerade: false });
    },
  };
}
