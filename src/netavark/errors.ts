import { asUnderlayError } from "../lib/errors.ts";

/** Netavark knows no codes: one text, and an exit status that is not 0. Whatever is wrong is said in it. */
export function errorText(thrown: unknown): string {
  const error = [...new Set(messagesOf(thrown))].join("; ");
  return `${JSON.stringify({ error: error.slice(0, MAX_TEXT) })}\n`;
}

/** Bounds what a hostile message gets echoed; no text of ours comes near it. */
const MAX_TEXT = 4000;

function messagesOf(thrown: unknown): string[] {
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return thrown.errors.flatMap(messagesOf);
  // What undid the work failed too; why it had to be undone comes first.
  if (thrown instanceof SuppressedError) return [thrown.suppressed, thrown.error].flatMap(messagesOf);
  const { message, errno, kernelText } = asUnderlayError(thrown);
  const more = [errno, kernelText].filter((part) => part && !message.includes(part));
  return [[message, ...more].join("; ")];
}
