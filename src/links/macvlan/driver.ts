import { OUR_LINK_GROUP } from "../../lib/ifname.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { isErrno } from "../../netlink/failure.ts";
import { MACVLAN_MODE } from "../../netlink/kinds/macvlan.ts";
import { deleteLinkRequest, getLink, type Link, newLinkRequest, setLinkRequest } from "../../netlink/link.ts";
import type { Birth, LinkDriver } from "../driver.ts";
import { canGoUp, type Scratch, tryLink } from "../parent/trial.ts";
import { type MacvlanDefaults, type MacvlanSpec, parseMacvlan } from "./spec.ts";

/** Links of kind macvlan, made in the netns of the conversation's socket. */
export function macvlanDriver(
  conversation: Conversation,
  scratch: Scratch,
  defaults: MacvlanDefaults,
): LinkDriver<MacvlanSpec> {
  async function make(birth: Birth<MacvlanSpec>): Promise<void> {
    // The kernel ignores IFLA_IFALIAS at creation, so the alias is a second message of the same send.
    const outcomes = await conversation.settle([
      newLinkRequest({
        name: birth.name,
        parent: birth.parentIfindex,
        mac: birth.mac,
        ...(birth.spec.mtu !== undefined && { mtu: birth.spec.mtu }),
        group: OUR_LINK_GROUP,
        info: { kind: "macvlan", data: { mode: MACVLAN_MODE[birth.spec.mode] } },
      }),
      setLinkRequest({ name: birth.name }, { alias: birth.alias }),
    ]);
    const failed = outcomes.find((outcome) => !outcome.ok);
    if (failed && !failed.ok) throw failed.error;
  }

  return {
    kind: "macvlan",
    parse: (options, families) => parseMacvlan(options, defaults, families),
    trial: (parentIfindex, spec) =>
      tryLink(scratch, {
        parent: parentIfindex,
        info: { kind: "macvlan", data: { mode: MACVLAN_MODE[spec.mode] } },
      }),
    isMacFree: async (parentIfindex, mac, spec) =>
      spec.mode === "passthru" ||
      canGoUp(scratch, {
        parent: parentIfindex,
        mac,
        info: { kind: "macvlan", data: { mode: MACVLAN_MODE[spec.mode] } },
      }),

    // The kernel gives it the parent's address; another one, set later, would become the parent's own.
    inheritedMac: (spec, parent) => (spec.mode === "passthru" ? parent.mac : undefined),

    async create(birth) {
      try {
        await make(birth);
      } catch (error) {
        if (!isErrno(error, "EEXIST")) throw error;
        const found = await getLink(conversation, { name: birth.name });
        if (found && isWanted(found, birth)) return;
        await conversation.settle([deleteLinkRequest({ name: birth.name })]);
        await make(birth);
      }
    },
  };
}

function isWanted({ attrs }: Link, birth: Birth<MacvlanSpec>): boolean {
  const { info } = attrs;
  const mode = info && "data" in info && info.kind === "macvlan" ? info.data?.mode : undefined;
  return (
    attrs.link === birth.parentIfindex &&
    attrs.address === birth.mac &&
    mode === MACVLAN_MODE[birth.spec.mode] &&
    (birth.spec.mtu === undefined || attrs.mtu === birth.spec.mtu)
  );
}
