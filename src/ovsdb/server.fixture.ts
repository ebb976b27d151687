import type { Channel, Listener, OpenChannel } from "./channel.ts";
import { isList, type Json, type JsonObject, Splitter, stringify } from "./json.ts";

/** A server that a test plays, over no network at all. It answers `get_schema` by itself. */
export interface FakeServer {
  readonly open: OpenChannel;
  /** Of each connection that was tried, in order. */
  readonly lives: readonly Life[];
  /** The one that was made last. */
  readonly last: Life;
  /** From now on connections are refused, or hang for ever. */
  refuse(how: "refused" | "hangs" | "no more"): void;
  /** Methods that are answered by themselves from now on. */
  answer(method: string, result: (params: readonly Json[]) => Json): void;
}

export interface Life {
  /** All that the client sent, but requests that were answered by themselves. */
  readonly heard: readonly JsonObject[];
  isOpen: boolean;
  send(message: Json): void;
  sendText(text: string): void;
  /** Answers the last thing heard. */
  reply(result: Json): void;
  end(): void;
}

export function fakeServer(schema: Json): FakeServer {
  const lives: Life[] = [];
  const answers = new Map<string, (params: readonly Json[]) => Json>();
  answers.set("get_schema", () => schema);
  let refusal: "refused" | "hangs" | "no more" = "no more";
  return {
    lives,
    get last() {
      const last = lives.at(-1);
      if (last === undefined) throw new Error("nobody has connected");
      return last;
    },
    open: async (_target, listener) => {
      if (refusal === "refused") throw new Error("refused");
      if (refusal === "hangs") return new Promise(() => undefined);
      const { life, channel } = newLife(listener, answers);
      lives.push(life);
      return channel;
    },
    refuse: (how) => {
      refusal = how;
    },
    answer: (method, result) => void answers.set(method, result),
  };
}

function newLife(listener: Listener, answers: ReadonlyMap<string, (params: readonly Json[]) => Json>) {
  const heard: JsonObject[] = [];
  const splitter = new Splitter();
  const life: Life = {
    heard,
    isOpen: true,
    sendText: (text) => listener.onBytes(new TextEncoder().encode(text)),
    send: (message) => life.sendText(stringify(message)),
    reply: (result) => life.send({ id: heard.at(-1)?.["id"] ?? null, result, error: null }),
    end: () => {
      life.isOpen = false;
      listener.onEnd("the server closed it");
    },
  };
  const channel: Channel = {
    write: (text) => {
      for (const message of splitter.push(new TextEncoder().encode(text))) {
        const { id = null, method, params } = message;
        const answer = typeof method === "string" ? answers.get(method) : undefined;
        if (answer === undefined || !isList(params)) heard.push(message);
        else queueMicrotask(() => life.send({ id, result: answer(params), error: null }));
      }
    },
    close: () => {
      life.isOpen = false;
    },
  };
  return { life, channel };
}

/** Lets everything happen that needs no time. */
export async function settled(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
