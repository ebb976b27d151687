import { asUnderlayError, thrownIn } from "../lib/errors.ts";

/** Netavark knows no codes: one text, and an exit status that is not 0. Whatever is wrong is said in it. */
export function errorText(thrown: unknown): string {
  const error = [...new Set(thrownIn(thrown).map(messageOf))].join("; ");
  return `${JSON.stringify({ error: error.slice(0, MAX_TEXT) })}\n`;
}

/** Bounds what a hostile message gets echoed; no text of ours comes near it. */
const MAX_TEXT = 4000;

function messageOf(thrown: unknown): string {
  const { message, errno, kernelText } = asUnderlayError(thrown);
  const more = [errno, kernelText].filter((part) => part && !message.includes(part));
  return [message, ...more].join("; ");
}
