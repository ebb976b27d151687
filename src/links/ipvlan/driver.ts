import type { Conversation } from "../../netlink/conversation.ts";
import { IPVLAN_FLAG, IPVLAN_MODE } from "../../netlink/kinds/ipvlan.ts";
import { makeChild } from "../child.ts";
import { type LinkDriver, WHOLE_LINKS } from "../driver.ts";
import type { KindDefaults } from "../on-parent.ts";
import { canHave, kindTrial, type Scratch } from "../parent/trial.ts";
import { IPVLAN_SHARING, type IpvlanSpec, parseIpvlan } from "./spec.ts";

/** Links of kind ipvlan, made in the netns of the conversation's socket. */
export function ipvlanDriver(
  conversation: Conversation,
  scratch: Scratch,
  defaults: KindDefaults,
): LinkDriver<IpvlanSpec> {
  return {
    ...WHOLE_LINKS,
    kind: "ipvlan",
    ownMac: false,
    parse: (options, families) => parseIpvlan(options, defaults, families),

    // Never one on the parent: ipvlan_link_new of drivers/net/ipvlan sets mode and flag of all links there.
    async trial() {
      const tried = await kindTrial(scratch.inside, "ipvlan");
      return tried.outcome === "failed" ? tried : undefined;
    },

    // Where a link of this mode and flag is about to be made anyway, one more switches nobody.
    isFree: (parentIfindex, { addresses }, spec) =>
      canHave(scratch, { parent: parentIfindex, info: infoOf(spec) }, addresses),
    inheritedMac: () => undefined,
    sharesAddress: ({ mode }) => IPVLAN_SHARING[mode],

    // L3 and L3S neither ask for neighbours nor answer who asks: the kernel sets NOARP.
    routesOnLink: ({ mode }) => mode !== "l2",

    create: ({ spec, mac: _, ...birth }) =>
      makeChild(conversation, {
        ...birth,
        ...(spec.mtu !== undefined && { mtu: spec.mtu }),
        info: infoOf(spec),
      }),
  };
}

/** Both always: a mode that is not said is l3, also for the links that are there. */
function infoOf({ mode, flag }: IpvlanSpec) {
  return { kind: "ipvlan", data: { mode: IPVLAN_MODE[mode], flags: IPVLAN_FLAG[flag] } } as const;
}
