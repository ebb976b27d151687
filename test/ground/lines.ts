import { appendFileSync } from "node:fs";

/** Puts the lines of a stream into an array as they come; each goes to `tee` too, if that is given. */
export async function collectLines(
  stream: ReadableStream<Uint8Array>,
  into: string[],
  tee?: string,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    into.push(...parts);
    if (tee !== undefined) appendFileSync(tee, parts.map((line) => `${line}\n`).join(""));
  }
  if (rest !== "") into.push(rest);
}
