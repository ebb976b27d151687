/**
 * The one error of Underlay: a closed set of codes, the inputs it concerns, and its cause.
 * Each protocol answers for every code in a table of its own (`docker/errors.ts`, `cli/exit.ts`),
 * so a new code does not compile until all of them know it.
 */

export const CODES = [
  "invalid_request", // the message does not parse or breaks the protocol
  "invalid_option", // an option is unknown, malformed or contradicts another
  "refused", // a condition (UL-…) refuses the request
  "not_found", // the network, endpoint or link is not known
  "conflict", // it exists already and differs, or is in use
  "not_yet", // a feature that this version does not have
  "kernel", // the kernel said no; `errno` tells how
  "unsupported", // the kernel lacks a kind or a feature
  "permission", // a capability or a file permission is missing
  "state", // the state database cannot be read or written
  "unreachable", // the daemon does not answer
  "timeout", // the time for an answer is over
  "internal", // a bug of ours
] as const;

export type Code = (typeof CODES)[number];

/** What an error is about, by the names a user knows: `{ parent: "eth0", network: "1758…" }`. */
export type Inputs = Readonly<Record<string, string | number | undefined>>;

/** One thing that is wrong with a request. All problems of a request are reported together. */
export interface Problem {
  /** The option, key or condition id concerned. */
  readonly subject: string;
  /** What is wrong and what would be right, without a final full stop. */
  readonly message: string;
}

export interface ErrorDetails {
  readonly inputs?: Inputs;
  readonly cause?: unknown;
  /** Name of the errno, for code `kernel` and `permission`. */
  readonly errno?: string;
  /** What the kernel said beside the errno (extended ACK). */
  readonly kernelText?: string;
  readonly problems?: readonly Problem[];
}

export class UnderlayError extends Error {
  override readonly name = "UnderlayError";
  readonly code: Code;
  readonly inputs: Inputs;
  readonly errno: string | undefined;
  readonly kernelText: string | undefined;
  readonly problems: readonly Problem[];

  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.inputs = details.inputs ?? {};
    this.errno = details.errno;
    this.kernelText = details.kernelText;
    this.problems = details.problems ?? [];
  }
}

/** The errors in what was thrown. When what undid the work failed too, why it had to be undone comes first. */
export function thrownIn(thrown: unknown): readonly unknown[] {
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return thrown.errors.flatMap(thrownIn);
  if (thrown instanceof SuppressedError) return [thrown.suppressed, thrown.error].flatMap(thrownIn);
  return [thrown];
}

/** Several errors as one: all texts, and the code, inputs and errno of the first. */
export function joinErrors(errors: readonly [UnderlayError, ...UnderlayError[]]): UnderlayError {
  const [first, ...rest] = errors;
  if (rest.length === 0) return first;
  const { inputs, errno, kernelText } = first;
  const texts = new Set(errors.map((error) => error.message));
  return new UnderlayError(first.code, [...texts].join("; "), {
    cause: new AggregateError(errors),
    inputs,
    ...(errno !== undefined && { errno }),
    ...(kernelText !== undefined && { kernelText }),
    problems: errors.flatMap((error) => error.problems),
  });
}

/** Any thrown value as our error; what is not ours is a bug and says so. */
export function asUnderlayError(thrown: unknown): UnderlayError {
  if (thrown instanceof UnderlayError) return thrown;
  const [first, ...rest] = thrownIn(thrown);
  if (first !== thrown) return joinErrors([asUnderlayError(first), ...rest.map(asUnderlayError)]);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new UnderlayError("internal", `internal error: ${message}`, { cause: thrown });
}

/** One error for all problems of a request; the text joins them, the data keeps them apart. */
export function problemsError(code: Code, problems: readonly Problem[], inputs: Inputs = {}): UnderlayError {
  return new UnderlayError(code, problems.map((problem) => problem.message).join("; "), { problems, inputs });
}
