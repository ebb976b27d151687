import { connect } from "node:net";
import type { OvsdbCase } from "./ovsdb-cases.ts";

/** Sends the requests as they are written and gives back all that came, text by text. No code of src takes part. */

export type Captured = Readonly<Record<string, readonly string[]>>;

/** An ovsdb-server without ovs-vswitchd, so that nobody else changes a row. */
export async function captureOvsdb(socket: string, cases: readonly OvsdbCase[]): Promise<Captured> {
  const connection = connect({ path: socket });
  const texts = textsOf(connection);
  const captured: Record<string, readonly string[]> = {};
  try {
    for (const { name, requests } of cases) {
      const received: string[] = [];
      for (const request of requests) {
        connection.write(request);
        await collectAnswer(texts, received, JSON.parse(request).id);
      }
      captured[name] = received;
    }
  } finally {
    connection.destroy();
  }
  return captured;
}

/** Up to the answer; notifications about what it did come before it. */
async function collectAnswer(texts: AsyncGenerator<string>, into: string[], id: number): Promise<void> {
  for (;;) {
    const { value, done } = await texts.next();
    if (done) throw new Error("the server ended the connection");
    into.push(value);
    if (JSON.parse(value).id === id) return;
  }
}

/** A text ends where what has come so far is one. */
async function* textsOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of stream) {
    rest += chunk.toString();
    for (let end = rest.indexOf("}"); end >= 0; end = rest.indexOf("}", end + 1)) {
      const text = rest.slice(0, end + 1);
      if (!isJson(text)) continue;
      yield text;
      rest = rest.slice(end + 1);
      end = -1;
    }
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
