import { connect } from "node:net";

/**
 * As little HTTP/1.1 as asks one thing after another on a connection that is kept alive: fast enough to send
 * hundreds of thousands, and free to send what a well-behaved client would not.
 */
export interface HttpConnection {
  /** Sends the bytes of one request and resolves with its answer. Rejects when the connection ends before. */
  ask(request: Uint8Array): Promise<HttpAnswer>;
  close(): void;
}

export interface HttpAnswer {
  readonly status: number;
  /** Header lines, as they came. */
  readonly head: string;
  readonly body: string;
}

export async function openHttp(path: string): Promise<HttpConnection> {
  const socket = connect(path);
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  let received: Buffer = Buffer.alloc(0);
  let waiting: PromiseWithResolvers<HttpAnswer> | undefined;
  let ended = false;
  socket.on("data", (data: Buffer) => {
    received = received.length === 0 ? data : Buffer.concat([received, data]);
    const answer = parseAnswer(received);
    if (answer === undefined || waiting === undefined) return;
    received = received.subarray(answer.length);
    waiting.resolve(answer);
    waiting = undefined;
  });
  const fail = (why: string) => {
    ended = true;
    waiting?.reject(new Error(`${why} before the answer; received: ${received.toString().slice(0, 200)}`));
  };
  socket.on("error", (error) => fail(String(error)));
  socket.on("close", () => fail("the connection was closed"));
  return {
    ask(request) {
      waiting = Promise.withResolvers<HttpAnswer>();
      if (ended) fail("the connection was closed");
      else socket.write(request);
      return waiting.promise;
    },
    close: () => socket.destroy(),
  };
}

function parseAnswer(bytes: Buffer): (HttpAnswer & { readonly length: number }) | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = bytes.toString("latin1", 0, end);
  const declared = /^content-length: *(\d+)$/im.exec(head)?.[1];
  // Bun answers broken HTTP by a bare status and closes.
  const length = end + 4 + Number(declared ?? 0);
  if (bytes.length < length) return undefined;
  return { status: Number(head.slice(9, 12)), head, body: bytes.toString("utf8", end + 4, length), length };
}

/** The request that dockerd would send, Host included; `chunked` sends the length bit by bit instead of ahead. */
export function postRequest(path: string, body: Uint8Array, chunked: boolean): Uint8Array {
  const lines = [`POST /${path} HTTP/1.1`, "Host: ", "User-Agent: Go-http-client/1.1"];
  if (!chunked) {
    const head = [...lines, `Content-Length: ${body.length}`, "", ""].join("\r\n");
    return Buffer.concat([Buffer.from(head), body]);
  }
  const half = body.length >> 1;
  const parts = [body.subarray(0, half), body.subarray(half)].filter((part) => part.length > 0);
  return Buffer.concat([
    Buffer.from([...lines, "Transfer-Encoding: chunked", "", ""].join("\r\n")),
    ...parts.flatMap((part) => [Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")]),
    Buffer.from("0\r\n\r\n"),
  ]);
}
