import { UnderlayError } from "../lib/errors.ts";
import { HttpRefusal } from "./errors.ts";

/** Bytes. Ours is the only limit that is met: what Bun refuses by itself it refuses without JSON. */
export const MAX_BODY = 1 << 20;

/**
 * The whole body. Throws HttpRefusal 413 when it is longer than MAX_BODY; no more than that is kept. Throws
 * `invalid_request` when the connection ends, or stops being HTTP, before the body does.
 */
export async function readBody(request: Request): Promise<Uint8Array> {
  const declared = declaredLength(request.headers);
  if (declared !== undefined) return ofLength(request, declared);
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of bodyOf(request)) {
    length += part.length;
    if (length > MAX_BODY) throw tooLong();
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** Undefined when it is not known before the end: a body in chunks. */
function declaredLength(headers: Headers): number | undefined {
  const length = headers.get("content-length");
  return length === null || headers.has("transfer-encoding") ? undefined : Number(length);
}

/** Bun gives no more than what was declared. A stream of it would take ten times as long. */
async function ofLength(request: Request, length: number): Promise<Uint8Array> {
  if (length > MAX_BODY) throw tooLong();
  try {
    return await request.bytes();
  } catch (cause) {
    throw ended(cause);
  }
}

function ended(cause: unknown): UnderlayError {
  return new UnderlayError("invalid_request", "the connection ended before the body", { cause });
}

async function* bodyOf(request: Request): AsyncGenerator<Uint8Array> {
  try {
    yield* request.body ?? [];
  } catch (cause) {
    throw ended(cause);
  }
}

function tooLong(): HttpRefusal {
  return new HttpRefusal(413, `the body is longer than ${MAX_BODY} bytes`);
}
