/** Lines as they come, and promises for those that will. */
export interface LineLog {
  readonly lines: readonly string[];
  /** The first line that matches, of those from index `from` on; rejects when no more will come. */
  match(pattern: RegExp, from?: number): Promise<RegExpExecArray>;
  /** Reads a stream to its end. A serial line ends its lines with CR LF. */
  read(stream: ReadableStream<Uint8Array>): Promise<void>;
  /** Adds a line. */
  add(line: string): void;
  /** No more lines will come, for this reason. */
  end(reason: () => Error): void;
}

interface Waiting {
  readonly pattern: RegExp;
  readonly found: (match: RegExpExecArray) => void;
  readonly lost: (error: Error) => void;
}

export function makeLineLog(): LineLog {
  const lines: string[] = [];
  const waiting = new Set<Waiting>();
  let ended: (() => Error) | undefined;

  const add = (line: string) => {
    lines.push(line);
    for (const one of waiting) {
      const match = one.pattern.exec(line);
      if (match === null) continue;
      waiting.delete(one);
      one.found(match);
    }
  };
  return {
    lines,
    add,
    match: (pattern, from = 0) => {
      for (const line of lines.slice(from)) {
        const match = pattern.exec(line);
        if (match !== null) return Promise.resolve(match);
      }
      if (ended !== undefined) return Promise.reject(ended());
      return new Promise((found, lost) => waiting.add({ pattern, found, lost }));
    },
    read: async (stream) => {
      const decoder = new TextDecoder();
      let rest = "";
      for await (const chunk of stream) {
        const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
        rest = parts.pop() ?? "";
        for (const part of parts) add(part.replaceAll("\r", ""));
      }
      if (rest !== "") add(rest);
    },
    end: (reason) => {
      ended = reason;
      for (const one of waiting) one.lost(reason());
      waiting.clear();
    },
  };
}
