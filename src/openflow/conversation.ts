import { concatBytes } from "../lib/bytes.ts";
import type { Clock } from "../lib/clock.ts";
import { asUnderlayError, UnderlayError } from "../lib/errors.ts";
import { bundleAdd } from "./bundle.ts";
import { malformed } from "./codec.ts";
import { asFailure, decodeError } from "./errors.ts";
import { helloMessage, negotiated, versionsOf } from "./hello.ts";
import { encodeMessage, type Message, MessageSplitter } from "./message.ts";
import { hasMore } from "./multipart.ts";
import { OFP_VERSION, OFPT, type OfpVersion } from "./numbers.ts";
import type { Wire, WireEvents } from "./wire.ts";

export type OpenWire = (events: WireEvents) => Promise<Wire>;

export interface ConversationOptions {
  /** For errors: "br0". */
  readonly bridge: string;
  readonly clock: Clock;
  /** Milliseconds within which a request is answered and a peer has said HELLO: 10,000 unless told. */
  readonly answerMs?: number;
  /** Milliseconds of silence after which the peer is asked whether it lives, and has as many to say so: 5,000 unless told. */
  readonly idleMs?: number;
  /** Messages that answer nothing and are not of the protocol itself: OFPT_PORT_STATUS. */
  readonly unasked?: (message: Message) => void;
}

/** A message of ours. Its version and xid are the conversation's. */
export interface Request {
  readonly type: number;
  readonly body: Uint8Array;
  /** Id of the bundle into which it goes. */
  readonly bundle?: number;
}

/** Several messages of which the last one is answered when the switch is done with all of them. */
interface Exchange {
  readonly what: string;
  readonly last: number;
  readonly answerType: number;
  readonly answers: Message[];
  readonly errors: UnderlayError[];
  bytes: number;
  settle(error?: UnderlayError): void;
}

/** An answer that is longer has no end. 100,000 flows are some 20 MB. */
const MOST_ANSWER_BYTES = 64 * 1024 * 1024;

/**
 * Requests and their answers over one connection to one bridge: HELLO, xids, errors, deadlines, and ECHO both ways. It
 * ends with its connection; who needs another one makes it.
 */
export class Conversation implements Disposable {
  readonly #options: ConversationOptions;
  readonly #splitter = new MessageSplitter();
  readonly #open = new Map<number, Exchange>();
  readonly #lost = Promise.withResolvers<UnderlayError>();
  readonly #greeted = Promise.withResolvers<void>();
  #wire: Wire | undefined;
  #version: OfpVersion | undefined;
  #over: UnderlayError | undefined;
  /** The last one used, a u32 that starts over. */
  #xid = 0;
  /** When it was last heard of, and how often it was. */
  #heard: number;
  #chunks = 0;
  #stopWatching: () => void = () => undefined;

  /** Resolves when both sides know which version they speak. Throws `unreachable`, `permission`, `timeout`, `unsupported`. */
  static async open(openWire: OpenWire, options: ConversationOptions): Promise<Conversation> {
    const conversation = new Conversation(options);
    await conversation.#greet(openWire);
    return conversation;
  }

  private constructor(options: ConversationOptions) {
    this.#options = options;
    this.#heard = options.clock.now();
  }

  get version(): OfpVersion {
    return this.#version ?? OFP_VERSION["1.3"];
  }

  /** When the connection is over, and why; after `[Symbol.dispose]` too. Never rejects. */
  get lost(): Promise<UnderlayError> {
    return this.#lost.promise;
  }

  async #greet(openWire: OpenWire): Promise<void> {
    const { bridge, clock, answerMs = 10_000 } = this.#options;
    this.#wire = await openWire({
      chunk: (bytes) => this.#take(bytes),
      lost: (error) => this.#end(error),
    });
    const late = new UnderlayError("timeout", `${bridge}: no HELLO within ${answerMs} ms`);
    const cancel = clock.after(answerMs, () => this.#end(late));
    // What was lost before anybody asked is told here.
    void this.#lost.promise.then(this.#greeted.reject);
    this.#wire.send(encodeMessage(helloMessage(this.#nextXid())));
    try {
      await this.#greeted.promise;
    } finally {
      cancel();
    }
    this.#watch();
  }

  /**
   * Sends all in one go. Resolves with the answers to the last one, when the switch has dealt with it, which it does in
   * order. Throws what it says against the first that it refuses: `kernel` or `permission`; what it did not refuse has
   * come to pass. Throws `timeout` or `unreachable` when nobody knows how it went.
   */
  async exchange(
    what: string,
    requests: readonly [...Request[], Request],
    answerType: number,
  ): Promise<readonly Message[]> {
    if (this.#over) throw this.#over;
    const { bridge, clock, answerMs = 10_000 } = this.#options;
    const done = Promise.withResolvers<void>();
    const xids = requests.map(() => this.#nextXid());
    const late = new UnderlayError("timeout", `${bridge}: ${what}: no answer within ${answerMs} ms`);
    const cancel = clock.after(answerMs, () => exchange.settle(late));
    const exchange: Exchange = {
      what: `${bridge}: ${what}`,
      last: xids.at(-1) ?? 0,
      answerType,
      answers: [],
      errors: [],
      bytes: 0,
      settle: (error) => {
        cancel();
        for (const xid of xids) this.#open.delete(xid);
        if (error) done.reject(error);
        else done.resolve();
      },
    };
    for (const xid of xids) this.#open.set(xid, exchange);
    this.#wire?.send(concatBytes(requests.map((request, i) => this.#encode(request, xids[i] ?? 0))));
    await done.promise;
    const [refused] = exchange.errors;
    if (refused) throw refused;
    return exchange.answers;
  }

  #encode({ type, body, bundle }: Request, xid: number): Uint8Array {
    const message = { version: this.version, type, xid, body };
    return encodeMessage(bundle === undefined ? message : bundleAdd(bundle, message));
  }

  #nextXid(): number {
    do this.#xid = (this.#xid + 1) >>> 0;
    while (this.#open.has(this.#xid));
    return this.#xid;
  }

  #take(chunk: Uint8Array): void {
    if (this.#over) return;
    this.#heard = this.#options.clock.now();
    this.#chunks++;
    try {
      for (const message of this.#splitter.push(chunk)) this.#dispatch(message);
    } catch (thrown) {
      this.#end(asUnderlayError(thrown));
    }
  }

  #dispatch(message: Message): void {
    if (this.#over) return;
    const { type, version, xid } = message;
    const exchange = this.#open.get(xid);
    if (type === OFPT.OFPT_ERROR) this.#refused(message, exchange);
    else if (this.#version === undefined) this.#hello(message);
    else if (version !== this.#version)
      throw malformed(`version ${version} where ${this.#version} was agreed on`);
    else if (type === OFPT.OFPT_ECHO_REQUEST)
      this.#wire?.send(encodeMessage({ ...message, type: OFPT.OFPT_ECHO_REPLY }));
    else if (exchange) this.#answered(exchange, message);
    else if (type !== OFPT.OFPT_ECHO_REPLY) this.#options.unasked?.(message);
  }

  /** What follows it in the same chunk is of the version that it settles. */
  #hello(message: Message): void {
    if (message.type !== OFPT.OFPT_HELLO) throw malformed(`type ${message.type} before a HELLO`);
    this.#version = negotiated(message);
    if (this.#version !== undefined) {
      this.#greeted.resolve();
      return;
    }
    const { bridge } = this.#options;
    const theirs = [...versionsOf(message)].map((each) => `0x0${each}`).join(", ");
    const text =
      `${bridge} speaks no OpenFlow that we do (it has ${theirs}); ` +
      `ovs-vsctl set bridge ${bridge} protocols=OpenFlow13,OpenFlow14`;
    this.#end(new UnderlayError("unsupported", text, { inputs: { bridge } }));
  }

  #answered(exchange: Exchange, message: Message): void {
    // Of a bundle that was opened: what counts is how it ends.
    if (message.xid !== exchange.last) return;
    if (message.type !== exchange.answerType)
      throw malformed(`type ${message.type} in answer to ${exchange.what}`);
    exchange.answers.push(message);
    exchange.bytes += message.body.length;
    if (exchange.bytes > MOST_ANSWER_BYTES) throw malformed(`an answer without an end to ${exchange.what}`);
    if (message.type !== OFPT.OFPT_MULTIPART_REPLY || !hasMore(message)) exchange.settle();
  }

  #refused(message: Message, exchange: Exchange | undefined): void {
    if (exchange) {
      exchange.errors.push(asFailure(exchange.what, message, { bridge: this.#options.bridge }));
      if (message.xid === exchange.last) exchange.settle();
    } else if (this.#version === undefined) {
      const { words, code } = decodeError(message.body);
      this.#end(new UnderlayError("unsupported", `${this.#options.bridge}: ${words} (${code})`));
    }
  }

  /** Asks a peer that was silent for a while; ends when it stays so. */
  #watch(): void {
    const { bridge, clock, idleMs = 5_000 } = this.#options;
    const look = (askedAt: number | undefined) => {
      const quiet = clock.now() - this.#heard;
      if (askedAt === this.#chunks)
        this.#end(new UnderlayError("timeout", `${bridge}: silent for ${Math.round(quiet)} ms`));
      else if (quiet < idleMs) wait(idleMs - quiet);
      else {
        const probe = { version: this.version, type: OFPT.OFPT_ECHO_REQUEST, xid: this.#nextXid() };
        this.#wire?.send(encodeMessage({ ...probe, body: new Uint8Array() }));
        wait(idleMs, this.#chunks);
      }
    };
    const wait = (milliseconds: number, askedAt?: number) => {
      this.#stopWatching = clock.after(milliseconds, () => look(askedAt));
    };
    wait(idleMs);
  }

  #end(error: UnderlayError): void {
    if (this.#over) return;
    this.#over = error;
    this.#stopWatching();
    this.#wire?.close();
    for (const exchange of new Set(this.#open.values())) exchange.settle(error);
    this.#lost.resolve(error);
  }

  [Symbol.dispose](): void {
    this.#end(new UnderlayError("unreachable", `${this.#options.bridge}: the connection was closed`));
  }
}
