import { asUnderlayError, type Code, UnderlayError } from "../lib/errors.ts";

/**
 * How Docker is told. It shows `Err` to the user behind `remote: ` (status 200) or the method's name (any other).
 * A network driver is read for `Err`, an IPAM driver for `Error`; both are always sent (daemon/libnetwork/drivers/remote).
 */

interface Told {
  /** 400 only for what does not parse as the message that the method needs. */
  readonly status: 200 | 400;
  /** What to do next, where the message cannot know it. */
  readonly hint?: string;
}

const TOLD = {
  invalid_request: { status: 400 },
  invalid_option: { status: 200 },
  refused: { status: 200 },
  not_found: { status: 200, hint: "if that stays so, remove the network and create it again" },
  conflict: { status: 200 },
  not_yet: { status: 200 },
  kernel: { status: 200 },
  unsupported: { status: 200 },
  permission: { status: 200 },
  state: { status: 200 },
  unreachable: { status: 200 },
  timeout: { status: 200, hint: "the work goes on, try again" },
  internal: { status: 200, hint: "this is a bug of Underlay, its log tells more" },
} satisfies Record<Code, Told>;

/** Bounds what a hostile request gets echoed; no message of ours comes near it. */
const MAX_TEXT = 4000;

/** HTTP itself is wrong, before any method was reached. */
export class HttpRefusal extends UnderlayError {
  readonly status: 404 | 405 | 413;

  constructor(status: HttpRefusal["status"], message: string) {
    super("invalid_request", message);
    this.status = status;
  }
}

export interface ErrorReply {
  readonly status: number;
  readonly body: { readonly Err: string; readonly Error: string };
}

export function errorReply(thrown: unknown): ErrorReply {
  const error = asUnderlayError(thrown);
  const { status, hint }: Told = TOLD[error.code];
  const text = singleLine([textOf(error), ...(hint === undefined ? [] : [hint])].join("; "));
  return { status: error instanceof HttpRefusal ? error.status : status, body: { Err: text, Error: text } };
}

function textOf(error: UnderlayError): string {
  const missing = error.problems
    .map((problem) => problem.message)
    .filter((say) => !error.message.includes(say));
  const text = [error.message, ...missing].filter((part) => part !== "").join("; ");
  // To Docker an empty Err is success.
  return text === "" ? error.code : text;
}

/** Docker prints the text into logs and terminals: no control characters, no half surrogates, no end without a mark. */
export function singleLine(text: string): string {
  const line = text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").toWellFormed();
  return line.length <= MAX_TEXT ? line : `${line.slice(0, MAX_TEXT).toWellFormed()}…`;
}
