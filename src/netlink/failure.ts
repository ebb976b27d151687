import { type ErrorDetails, type Inputs, UnderlayError } from "../lib/errors.ts";
import { errnoName, isForbidden, WHO_MAY } from "../sys/errno.ts";
import { type AttrTable, decodeAttrs } from "./attribute.ts";
import { text, u32, viewOf } from "./codec.ts";
import { bodyPath, type Message, NLM_F, NLMSG, nlmsgerrCode, nlmsghdr } from "./message.ts";
import type { Wanted } from "./pick.ts";

/** Extended ACK, `enum nlmsgerr_attrs` of `<linux/netlink.h>`. */
export const extAckTable = {
  message: { type: 1, symbol: "NLMSGERR_ATTR_MSG", codec: text },
  offset: { type: 2, symbol: "NLMSGERR_ATTR_OFFS", codec: u32 },
} as const;

/** A request as the conversation sends it. */
export interface Request {
  readonly type: number;
  /** Flags of the verb; NLM_F_REQUEST and NLM_F_ACK are added. */
  readonly flags: number;
  readonly body: Uint8Array;
  /** How to name attributes that the kernel complains of. */
  readonly format: { readonly header: { readonly size: number }; readonly table: AttrTable };
  /** For the error: "create macvlan ul-…". */
  readonly what: string;
  readonly inputs?: Inputs;
  /** Part of a batch: nothing is said of it when all is well. Such requests go in the send of those around them. */
  readonly unanswered?: true;
  /** What is wanted of the answers; absent = all of them. Honoured when the request is alone in its send. */
  readonly wanted?: Wanted;
}

/** The failure that a terminal message tells, or undefined when it tells success. */
export function failureOf(request: Request, message: Message): UnderlayError | undefined {
  const { body } = message;
  const code = body.length >= 4 ? nlmsgerrCode.read(viewOf(body), 0) : 0;
  if (code === 0) return undefined;
  const errno = errnoName(-code);
  const extra = message.type === NLMSG.NLMSG_ERROR ? extAckOf(message) : {};
  const path = extra.offset === undefined ? "" : bodyPath(request.format, request.body, extra.offset);
  const forbidden = isForbidden(errno);
  const words = [path, extra.message, errno, ...(forbidden ? [WHO_MAY] : [])].filter(
    (part) => part !== undefined && part !== "",
  );
  const details: ErrorDetails = {
    errno,
    ...(extra.message !== undefined && { kernelText: extra.message }),
    ...(request.inputs && { inputs: request.inputs }),
  };
  return new UnderlayError(
    forbidden ? "permission" : "kernel",
    `${request.what}: ${words.join(": ")}`,
    details,
  );
}

/** TLVs stand behind the echoed request, which is only its header when NETLINK_CAP_ACK is on. */
function extAckOf(message: Message): { message?: string; offset?: number } {
  if ((message.flags & NLM_F.NLM_F_ACK_TLVS) === 0) return {};
  const echoed = message.body.subarray(4);
  if (echoed.length < nlmsghdr.size) return {};
  const capped = (message.flags & NLM_F.NLM_F_CAPPED) !== 0;
  const length = capped ? nlmsghdr.size : nlmsghdr.decode(echoed).len;
  if (length > echoed.length) return {};
  return decodeAttrs(extAckTable, echoed.subarray((length + 3) & ~3));
}

export function isErrno(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof UnderlayError && error.errno !== undefined && names.includes(error.errno);
}

/** What "already gone" looks like: success for whoever wanted it gone, and only for him. */
export const GONE = ["ENODEV", "ENOENT", "ESRCH", "ENXIO"] as const;
