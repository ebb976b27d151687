import { toHex } from "../../lib/bytes.ts";
import { UnderlayError } from "../../lib/errors.ts";
import type { TrialFacts } from "../../lib/facts.ts";
import { MAX_IFNAME } from "../../lib/ifname.ts";
import type { Cidr } from "../../lib/ip.ts";
import type { Mac } from "../../lib/mac.ts";
import { addAddressRequest } from "../../netlink/address.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { isErrno } from "../../netlink/failure.ts";
import {
  deleteLinkRequest,
  getLink,
  type NewLink,
  newLinkRequest,
  setLinkRequest,
} from "../../netlink/link.ts";
import type { Netns } from "../../sys/netns.ts";

/** An empty netns of ours in which a link can be tried. It goes with this process, and all that is in it. */
export interface Scratch {
  readonly netns: Netns;
  /** Speaks in the netns of the parents. */
  readonly home: Conversation;
  /** Speaks in the scratch netns, where a delete may wait for the kernel. */
  readonly inside: Conversation;
}

const TRIAL_NAME = "ul-trial";

/**
 * Makes a link in the scratch netns and deletes it again. Only the kernel knows for certain whether a parent takes
 * another child: its one receive handler may be somebody's whom no dump of ours shows.
 */
export async function tryLink(
  scratch: Scratch,
  link: Omit<NewLink, "name" | "netnsFd">,
): Promise<TrialFacts> {
  const request = newLinkRequest({ ...link, name: TRIAL_NAME, netnsFd: scratch.netns.fd });
  const [outcome] = await scratch.home.settle([request]);
  if (!outcome) throw new UnderlayError("internal", "a trial link had no answer");
  if (outcome.ok) {
    await scratch.inside.request(deleteLinkRequest({ name: TRIAL_NAME }));
    return { outcome: "made" };
  }
  const { errno = "", kernelText = "" } = outcome.error;
  if (outcome.error.code === "permission") throw outcome.error;
  return { outcome: "failed", errno, text: kernelText };
}

const KIND_NAME = "ul-kind";

/**
 * Whether the kernel has the kind: asks for a link without the parent and the data that it needs, where nothing is.
 * rtnl_newlink of net/core/rtnetlink.c answers EOPNOTSUPP when nothing registered the kind, and only then asks the
 * kind itself, which says EINVAL or makes it. Throws `permission`.
 */
export async function kindTrial(inside: Conversation, kind: string): Promise<TrialFacts> {
  const [outcome] = await inside.settle([newLinkRequest({ name: KIND_NAME, info: { kind } })]);
  if (outcome === undefined) throw new UnderlayError("internal", "a trial link had no answer");
  if (outcome.ok) {
    await inside.settle([deleteLinkRequest({ name: KIND_NAME })]);
    return { outcome: "made" };
  }
  if (outcome.error.code === "permission") throw outcome.error;
  const { errno = "", kernelText = "" } = outcome.error;
  const isUnknown = errno === "EOPNOTSUPP" || (errno === "ENODEV" && /unknown device type/i.test(kernelText));
  return isUnknown ? { outcome: "failed", errno, text: kernelText } : { outcome: "made" };
}

/**
 * Whether a link with this MAC can go up on the parent. A link in a netns that is being taken apart is in no dump and
 * still holds its address; the kernel says EADDRINUSE only when the next one goes up.
 */
export async function canGoUp(
  scratch: Scratch,
  link: Omit<NewLink, "name" | "netnsFd"> & { readonly mac: Mac },
): Promise<boolean> {
  const name = `p-${link.mac.replaceAll(":", "")}`;
  const [made] = await scratch.home.settle([newLinkRequest({ ...link, name, netnsFd: scratch.netns.fd })]);
  // Whatever else stands against it is told when the link itself is made.
  if (!made?.ok) return true;
  const [up] = await scratch.inside.settle([
    setLinkRequest({ name }, { up: true }),
    deleteLinkRequest({ name }),
  ]);
  return up === undefined || up.ok || !isErrno(up.error, "EADDRINUSE");
}

/**
 * Whether a link on the parent can have these IPv4 addresses: kinds whose links share a MAC tell them apart by address,
 * so the kernel says EADDRINUSE to the second one. IPv6 is off in the scratch netns, so nothing is known of it.
 */
export async function canHave(
  scratch: Scratch,
  link: Omit<NewLink, "name" | "netnsFd">,
  addresses: readonly Cidr[],
): Promise<boolean> {
  const v4 = addresses.filter(({ ip }) => ip.family === 4);
  const [first] = v4;
  if (first === undefined) return true;
  // Of its own: several endpoints may be looked after at a time.
  const name = `a-${toHex(first.ip.bytes)}-${(link.parent ?? 0).toString(36)}`.slice(0, MAX_IFNAME);
  const [made] = await scratch.home.settle([newLinkRequest({ ...link, name, netnsFd: scratch.netns.fd })]);
  // Whatever else stands against it is told when the link itself is made.
  if (!made?.ok) return true;
  const tried = await getLink(scratch.inside, { name });
  const outcomes = tried
    ? await scratch.inside.settle(v4.map((address) => addAddressRequest(tried.header.index, address)))
    : [];
  await scratch.inside.settle([deleteLinkRequest({ name })]);
  return outcomes.every((outcome) => outcome.ok || !isErrno(outcome.error, "EADDRINUSE"));
}
