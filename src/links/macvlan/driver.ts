import type { Conversation } from "../../netlink/conversation.ts";
import { MACVLAN_MODE } from "../../netlink/kinds/macvlan.ts";
import { makeChild } from "../child.ts";
import { type LinkDriver, WHOLE_LINKS } from "../driver.ts";
import type { KindDefaults } from "../on-parent.ts";
import { canGoUp, type Scratch, tryLink } from "../parent/trial.ts";
import { MACVLAN_SHARING, type MacvlanSpec, parseMacvlan } from "./spec.ts";

/** Links of kind macvlan, made in the netns of the conversation's socket. */
export function macvlanDriver(
  conversation: Conversation,
  scratch: Scratch,
  defaults: KindDefaults,
): LinkDriver<MacvlanSpec> {
  return {
    ...WHOLE_LINKS,
    kind: "macvlan",
    ownMac: true,
    parse: (options, families) => parseMacvlan(options, defaults, families),
    trial: (parentIfindex, spec) => tryLink(scratch, { parent: parentIfindex, info: infoOf(spec) }),
    isFree: async (parentIfindex, { mac }, spec) =>
      mac === undefined ||
      spec.mode === "passthru" ||
      canGoUp(scratch, { parent: parentIfindex, mac, info: infoOf(spec) }),
    routesOnLink: () => false,
    // The kernel gives it the parent's address; another one, set later, would become the parent's own.
    inheritedMac: (spec, parent) => (spec.mode === "passthru" ? parent.mac : undefined),
    sharesAddress: (_, family) => MACVLAN_SHARING[family],
    create: ({ spec, ...birth }) =>
      makeChild(conversation, {
        ...birth,
        ...(spec.mtu !== undefined && { mtu: spec.mtu }),
        info: infoOf(spec),
      }),
  };
}

function infoOf({ mode }: MacvlanSpec) {
  return { kind: "macvlan", data: { mode: MACVLAN_MODE[mode] } } as const;
}
