/** A connection to the driver's socket that is kept, as dockerd keeps its own: one call after another. */
export interface Connection extends AsyncDisposable {
  call(method: string, message: object): Promise<void>;
}

/** The end of the head, and the length of the body, of an answer that is whole; undefined until then. */
function wholeAnswer(text: string): { body: string } | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const length = Number(/^content-length: (\d+)/im.exec(text.slice(0, end))?.[1]);
  const body = text.slice(end + 4);
  return body.length < length ? undefined : { body };
}

export async function keptConnection(socket: string): Promise<Connection> {
  let heard = "";
  let waiting = Promise.withResolvers<string>();
  const connection = await Bun.connect({
    unix: socket,
    socket: {
      data(_, bytes) {
        heard += bytes.toString();
        const answer = wholeAnswer(heard);
        if (answer) waiting.resolve(answer.body);
      },
      close: () => waiting.reject(new Error("the daemon closed the connection")),
    },
  });
  return {
    async call(method, message) {
      const body = `${JSON.stringify(message)}\n`;
      const head = [
        `POST /NetworkDriver.${method} HTTP/1.1`,
        "Host: plugin",
        "User-Agent: Go-http-client/1.1",
        `Content-Length: ${body.length}`,
        "Accept: application/vnd.docker.plugins.v1.2+json",
      ];
      heard = "";
      waiting = Promise.withResolvers();
      connection.write(`${head.join("\r\n")}\r\n\r\n${body}`);
      const answer: Record<string, unknown> = JSON.parse(await waiting.promise);
      if (answer["Err"] !== undefined) throw new Error(`${method}: ${JSON.stringify(answer)}`);
    },
    async [Symbol.asyncDispose]() {
      waiting.promise.catch(() => undefined);
      connection.end();
    },
  };
}
