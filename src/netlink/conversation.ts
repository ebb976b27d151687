import { concatBytes } from "../lib/bytes.ts";
import { UnderlayError } from "../lib/errors.ts";
import { failureOf, isErrno, type Request } from "./failure.ts";
import { eachMessage, encodeMessage, isTerminal, type Message, NLM_F, NLMSG } from "./message.ts";
import type { Wanted } from "./pick.ts";
import type { Transport } from "./transport.ts";

/** Sees each frame; `UNDERLAY_DEBUG=netlink` prints them. */
export type FrameTrace = (direction: "sent" | "received", bytes: Uint8Array) => void;

/** A dump that other processes keep interrupting is given up after so many tries. */
const DUMP_TRIES = 10;

/** Of a request whose end is to be told. */
const ASKING = NLM_F.NLM_F_REQUEST | NLM_F.NLM_F_ACK;

/** All ACKs of a send wait in the socket's receive buffer; some 270 fill the default one and the rest are lost. */
const MOST_IN_A_SEND = 64;

export type Outcome =
  | { readonly ok: true; readonly messages: readonly Message[]; readonly interrupted: boolean }
  | { readonly ok: false; readonly error: UnderlayError };

/**
 * Requests and their answers over one transport: sequence numbers, ACKs, multipart answers, extended ACKs,
 * dumps that are repeated when a change interrupted them. Exchanges are sent one after another.
 */
export class Conversation {
  readonly #transport: Transport;
  readonly #trace: FrameTrace | undefined;
  /** The last one used, a u32: it starts over after 2^32 requests. */
  #sequence: number;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(transport: Transport, trace?: FrameTrace, lastSequence = 0) {
    this.#transport = transport;
    this.#trace = trace;
    this.#sequence = lastSequence;
  }

  /** Several requests in one send. Each has its own outcome; a failed one does not keep the later ones from running. */
  async settle(requests: readonly Request[]): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for (const chunk of sendsOf(requests)) outcomes.push(...(await this.#settleChunk(chunk)));
    return outcomes;
  }

  async #settleChunk(requests: readonly Request[]): Promise<Outcome[]> {
    const first = u32(this.#sequence + 1);
    this.#sequence = u32(this.#sequence + requests.length);
    const frames: Uint8Array[] = [];
    const answers: Message[][] = [];
    for (const { type, flags, body, unanswered } of requests) {
      const seq = (first + frames.length) >>> 0;
      frames.push(
        encodeMessage({ type, flags: flags | (unanswered ? NLM_F.NLM_F_REQUEST : ASKING), seq, body }),
      );
      answers.push([]);
    }
    const [only, ...others] = frames;
    const bytes = only && others.length === 0 ? only : concatBytes(frames);
    const datagrams = await this.#exchange(bytes, wantedOf(requests));
    const errors: (UnderlayError | undefined)[] = [];
    const interrupted = new Set<number>();
    for (const datagram of datagrams) {
      for (const message of eachMessage(datagram)) {
        // `u32`, which a call for each message would have compiled (ADR 19).
        const index = (message.seq - first) >>> 0;
        const request = requests[index];
        if (!request) continue;
        if (message.type !== NLMSG.NLMSG_ERROR && message.flags & NLM_F.NLM_F_DUMP_INTR)
          interrupted.add(index);
        if (isTerminal(message)) errors[index] = failureOf(request, message);
        else answers[index]?.push(message);
      }
    }
    const outcomes: Outcome[] = [];
    for (const [i, messages] of answers.entries()) {
      const error = errors[i];
      outcomes.push(error ? { ok: false, error } : { ok: true, messages, interrupted: interrupted.has(i) });
    }
    return outcomes;
  }

  /** One request; throws what the kernel says against it. */
  async request(request: Request): Promise<readonly Message[]> {
    return (await this.#one(request)).messages;
  }

  async #one(request: Request): Promise<Extract<Outcome, { ok: true }>> {
    const [outcome] = await this.settle([request]);
    if (!outcome) throw new UnderlayError("internal", `${request.what}: no answer`);
    if (!outcome.ok) throw outcome.error;
    return outcome;
  }

  /** All objects that match; repeated from the start when the kernel says that a change fell into it. */
  async dump(request: Request): Promise<readonly Message[]> {
    for (let tries = 1; tries <= DUMP_TRIES; tries++) {
      const messages = await this.#dumpOnce(request);
      if (messages) return messages;
    }
    throw new UnderlayError("kernel", `${request.what}: changes interrupted the dump ${DUMP_TRIES} times`, {
      errno: "EINTR",
    });
  }

  async #dumpOnce(request: Request): Promise<readonly Message[] | undefined> {
    try {
      const { messages, interrupted } = await this.#one({
        ...request,
        flags: request.flags | NLM_F.NLM_F_DUMP,
      });
      return interrupted ? undefined : messages;
    } catch (error) {
      if (isErrno(error, "EINTR", "ENOBUFS")) return undefined;
      throw error;
    }
  }

  #exchange(bytes: Uint8Array, wanted: Wanted | undefined): Promise<Uint8Array[]> {
    const turn = this.#tail.then(async () => {
      this.#trace?.("sent", bytes);
      const datagrams = await this.#transport.exchange(bytes, this.#trace ? undefined : wanted);
      if (this.#trace) for (const datagram of datagrams) this.#trace("received", datagram);
      return datagrams;
    });
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  close(): void {
    this.#transport.close();
  }
}

/** So many that their answers fit; what is not answered stays with what is. */
function sendsOf(requests: readonly Request[]): (readonly Request[])[] {
  if (requests.length <= MOST_IN_A_SEND) return requests.length === 0 ? [] : [requests];
  const sends: Request[][] = [];
  let answered = 0;
  for (const request of requests) {
    if (!request.unanswered) answered++;
    const last = sends.at(-1);
    if (last && answered <= MOST_IN_A_SEND) {
      last.push(request);
      continue;
    }
    sends.push([request]);
    answered = request.unanswered ? 0 : 1;
  }
  return sends;
}

/** A send has one for all: what one request does not want, another may. */
function wantedOf(requests: readonly Request[]): Wanted | undefined {
  return requests.length === 1 ? requests[0]?.wanted : undefined;
}

function u32(number: number): number {
  return number >>> 0;
}
