import { UnderlayError } from "../lib/errors.ts";
import { moduleOf } from "../lib/kinds.ts";
import { BROADCAST_MAC } from "../lib/mac.ts";
import type { Conversation } from "../netlink/conversation.ts";
import { newLinkRequest } from "../netlink/link.ts";

/** Why the kernel makes no link, in words: for callers that have no facts of the parent to judge by. */

/** `parent`: its name; absent for kinds that have none. */
interface Refused {
  readonly kind: string;
  readonly parent?: string;
}

const WHY: Readonly<Record<string, (refused: Required<Refused>) => string>> = {
  EBUSY: ({ kind, parent }) =>
    `${parent} takes no ${kind}: it is a port of a bridge or bond, or has links of another kind on it`,
  EINVAL: ({ kind, parent }) =>
    `${parent} takes no such ${kind}: it is a loopback, or has links on it of which one wants it alone (passthru)`,
};

/** The same failure with its cause in words where the kernel gives an errno alone, or has no such kind. */
export function inWords(error: UnderlayError, { kind, parent }: Refused): UnderlayError {
  if (isUnknownKind(error)) return withoutKind(kind, error);
  const why = error.kernelText === undefined ? WHY[error.errno ?? ""] : undefined;
  return why && parent !== undefined ? again(error, why({ kind, parent })) : error;
}

/** rtnl_newlink of net/core/rtnetlink.c, after it has looked for a module. */
function isUnknownKind({ errno, kernelText = "" }: UnderlayError): boolean {
  return (errno === "EOPNOTSUPP" || errno === "ENODEV") && /unknown device type/i.test(kernelText);
}

function withoutKind(kind: string, cause: UnderlayError): UnderlayError {
  return again(cause, `this kernel has no ${kind}: is the module ${moduleOf(kind)} installed?`);
}

function again(cause: UnderlayError, why: string): UnderlayError {
  const { code, message, inputs, errno, kernelText } = cause;
  return new UnderlayError(code, `${why} (${message})`, {
    cause,
    inputs,
    ...(errno !== undefined && { errno }),
    ...(kernelText !== undefined && { kernelText }),
  });
}

/**
 * Throws when the kernel has no such kind of link. Asked for one without parent and data that has the broadcast address: the
 * kernel looks the kind up first, and whatever it is, makes none.
 */
export async function requireKind(home: Conversation, kind: string): Promise<void> {
  const request = newLinkRequest({ name: "ul-kind", mac: BROADCAST_MAC, info: { kind } });
  const [outcome] = await home.settle([request]);
  if (outcome && !outcome.ok && isUnknownKind(outcome.error)) throw withoutKind(kind, outcome.error);
}
