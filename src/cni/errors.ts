import { asUnderlayError, type Code, thrownIn, type UnderlayError } from "../lib/errors.ts";
import type { Version } from "./versions.ts";

/** How a CNI runtime is told: a number that it may act on, and a text that it shows. CNI spec 1.1.0, "Error". */

export const CNI_CODE = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  environment: 4,
  io: 5,
  decode: 6,
  config: 7,
  /** Not in the spec: the code of the reference's library. */
  netns: 8,
  tryAgain: 11,
  /** STATUS: an ADD could not be served … */
  notAvailable: 50,
  /** … and what is attached already may not work either. */
  limited: 51,
  refused: 100,
  notFound: 101,
  conflict: 102,
  kernel: 103,
  unsupported: 104,
  permission: 105,
  notYet: 106,
  /** What the reference's library says for every error that has no code. */
  other: 999,
} as const;

const CODE_OF = {
  invalid_request: CNI_CODE.decode,
  invalid_option: CNI_CODE.config,
  refused: CNI_CODE.refused,
  not_found: CNI_CODE.notFound,
  conflict: CNI_CODE.conflict,
  not_yet: CNI_CODE.notYet,
  kernel: CNI_CODE.kernel,
  unsupported: CNI_CODE.unsupported,
  permission: CNI_CODE.permission,
  state: CNI_CODE.io,
  unreachable: CNI_CODE.tryAgain,
  timeout: CNI_CODE.tryAgain,
  internal: CNI_CODE.other,
} satisfies Record<Code, number>;

/** An error in the protocol's own words. */
export class CniError extends Error {
  override readonly name = "CniError";
  readonly code: number;
  /** `msg` of the spec is `message`; empty = none. */
  readonly details: string;

  constructor(code: number, message: string, details = "", cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
  }
}

/**
 * Any thrown value as what a runtime is told. Several errors keep the code of the first and all texts. The engine hands
 * on what a callback of ours threw as the cause of an error of its own.
 */
export function asCniError(thrown: unknown): CniError {
  if (thrown instanceof CniError) return thrown;
  const all = thrownIn(thrown);
  if (all[0] !== thrown) return joined(all);
  const error = asUnderlayError(thrown);
  if (error.cause instanceof CniError || error.cause instanceof AggregateError)
    return asCniError(error.cause);
  return new CniError(CODE_OF[error.code], error.message, detailsOf(error), thrown);
}

/** The same for STATUS: whatever keeps an ADD from being served is told by one code, and by why. */
export function asStatusError(thrown: unknown): CniError {
  const error = asCniError(thrown);
  const { code, message, details } = error;
  const isStatus = code === CNI_CODE.notAvailable || code === CNI_CODE.limited;
  return isStatus ? error : new CniError(CNI_CODE.notAvailable, message, details, thrown);
}

function joined(thrown: readonly unknown[]): CniError {
  const errors = thrown.map(asCniError);
  const messages = [...new Set(errors.map((error) => error.message))].join("; ");
  const details = [...new Set(errors.map((error) => error.details))].filter((text) => text !== "").join("; ");
  return new CniError(errors[0]?.code ?? CNI_CODE.other, messages, details, thrown);
}

/** Runtimes show `msg`, many of them not the rest: only what it does not say already. */
function detailsOf(error: UnderlayError): string {
  const parts = [...error.problems.map((problem) => problem.message), error.errno, error.kernelText];
  return parts
    .filter((part) => part !== undefined && part !== "" && !error.message.includes(part))
    .join("; ");
}

/** Bounds what a hostile configuration gets echoed; no message of ours comes near it. */
const MAX_TEXT = 4000;

/** The document for stdout. Runtimes of all versions read it: they ignore the keys that they do not know. */
export function errorText(error: CniError, version: Version): string {
  const details = error.details === "" ? {} : { details: error.details.slice(0, MAX_TEXT) };
  const told = { cniVersion: version, code: error.code, msg: error.message.slice(0, MAX_TEXT), ...details };
  return `${JSON.stringify(told, undefined, 4)}\n`;
}
