import { describe, expect, test } from "bun:test";
import { concatBytes, fromHex } from "../lib/bytes.ts";
import { UnderlayError } from "../lib/errors.ts";
import { encodeAttrs } from "./attribute.ts";
import { i32 } from "./codec.ts";
import { Conversation } from "./conversation.ts";
import { extAckTable, type Request } from "./failure.ts";
import {
  decodeLink,
  deleteLinkRequest,
  getLink,
  linkFormat,
  newLinkRequest,
  setLinkRequest,
} from "./link.ts";
import { eachMessage, encodeMessage, type Message, NLM_F, NLMSG } from "./message.ts";
import { exchangeOver, type Transport } from "./transport.ts";

/** Conversations with a kernel that plays from a script: what a real one does rarely. */

/** What is answered to the n-th exchange, by the sequence numbers asked. */
type Line = (seqs: readonly number[]) => Uint8Array[] | Promise<Uint8Array[]>;

function scripted(...lines: Line[]): { conversation: Conversation; asked: Message[][] } {
  return scriptedAfter(0, ...lines);
}

/** The same in a conversation that has had so many requests. */
function scriptedAfter(
  sequence: number,
  ...lines: Line[]
): { conversation: Conversation; asked: Message[][] } {
  const asked: Message[][] = [];
  const transport: Transport = {
    async exchange(requests) {
      const messages = [...eachMessage(requests)];
      asked.push(messages);
      const line = lines[asked.length - 1];
      if (!line) throw new Error("the script is over");
      return await line(messages.map(({ seq }) => seq));
    },
    close: () => undefined,
  };
  return { conversation: new Conversation(transport, undefined, sequence), asked };
}

const body = new Uint8Array(16);
const part = (seq = 0, flags: number = NLM_F.NLM_F_MULTI) => encodeMessage({ type: 16, flags, seq, body });
const done = (seq = 0, code = 0, flags: number = NLM_F.NLM_F_MULTI) =>
  encodeMessage({ type: NLMSG.NLMSG_DONE, flags, seq, body: i32.encode(code) });
const ack = (seq = 0, code = 0, rest: Uint8Array = new Uint8Array(16), flags: number = NLM_F.NLM_F_CAPPED) =>
  encodeMessage({ type: NLMSG.NLMSG_ERROR, flags, seq, body: concatBytes([i32.encode(code), rest]) });

const ENODEV = -19;
const EINVAL = -22;
const INTERRUPTED = NLM_F.NLM_F_MULTI | NLM_F.NLM_F_DUMP_INTR;
const list: Request = { type: 18, flags: 0, body, format: linkFormat, what: "list links" };

describe("a dump", () => {
  test("comes in several datagrams of several messages", async () => {
    const { conversation, asked } = scripted(([seq]) => [
      concatBytes([part(seq), part(seq)]),
      part(seq),
      done(seq),
    ]);
    expect(await conversation.dump(list)).toHaveLength(3);
    expect((asked[0]?.[0]?.flags ?? 0) & NLM_F.NLM_F_DUMP).toBe(NLM_F.NLM_F_DUMP);
  });

  test("is asked for again when a change fell into it, told in the middle or at the end", async () => {
    const { conversation, asked } = scripted(
      ([seq]) => [part(seq), part(seq, INTERRUPTED), done(seq)],
      ([seq]) => [part(seq), done(seq, 0, INTERRUPTED)],
      ([seq]) => [part(seq), done(seq)],
    );
    expect(await conversation.dump(list)).toHaveLength(1);
    expect(asked).toHaveLength(3);
    expect(new Set(asked.map(([message]) => message?.seq)).size).toBe(3);
  });

  test("is asked for again when the kernel broke it off", async () => {
    const lost = new UnderlayError("kernel", "receive from netlink: ENOBUFS", { errno: "ENOBUFS" });
    const { conversation } = scripted(
      () => Promise.reject(lost),
      ([seq]) => [part(seq), done(seq, -4)],
      ([seq]) => [done(seq)],
    );
    expect(await conversation.dump(list)).toEqual([]);
  });

  test("is given up after ten interruptions", async () => {
    const { conversation, asked } = scripted(
      ...Array.from(
        { length: 12 },
        (): Line =>
          ([seq]) => [done(seq, 0, INTERRUPTED)],
      ),
    );
    await expect(conversation.dump(list)).rejects.toMatchObject({
      code: "kernel",
      errno: "EINTR",
      message: "list links: changes interrupted the dump 10 times",
    });
    expect(asked).toHaveLength(10);
  });

  test("fails with what its end or its refusal says", async () => {
    const { conversation } = scripted(
      ([seq]) => [part(seq), done(seq, EINVAL)],
      ([seq]) => [ack(seq, -1)],
    );
    await expect(conversation.dump(list)).rejects.toMatchObject({ code: "kernel", errno: "EINVAL" });
    await expect(conversation.dump(list)).rejects.toMatchObject({
      code: "permission",
      errno: "EPERM",
      message: "list links: EPERM: run as root, with CAP_NET_ADMIN and CAP_SYS_ADMIN",
    });
  });
});

describe("requests", () => {
  const up = (name: string) => setLinkRequest({ name }, { up: true });

  test("in one send each have their own outcome, in any order of answers", async () => {
    const { conversation, asked } = scripted(([a = 0, b = 0, c = 0]) => [
      concatBytes([ack(c), ack(b, ENODEV)]),
      part(a, 0),
      ack(a),
    ]);
    const outcomes = await conversation.settle([up("a"), up("b"), up("c")]);
    expect(outcomes).toMatchObject([
      { ok: true, messages: [{ type: 16 }] },
      { ok: false, error: { errno: "ENODEV", message: "change link b: ENODEV" } },
      { ok: true, messages: [] },
    ]);
    expect(asked).toHaveLength(1);
    expect(asked[0]?.every(({ flags }) => (flags & 5) === 5)).toBe(true);
  });

  test("go in sends of at most 64: the ACKs of more would overflow the socket", async () => {
    const answer: Line = (seqs) => seqs.map((seq) => ack(seq));
    const { conversation, asked } = scripted(answer, answer, answer);
    const outcomes = await conversation.settle(Array.from({ length: 130 }, (_, i) => up(`m${i}`)));
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(130);
    expect(asked.map((messages) => messages.length)).toEqual([64, 64, 2]);
    const seqs = asked.flat().map(({ seq }) => seq);
    expect(new Set(seqs).size).toBe(130);
  });

  test("of a batch stay together, however many they are: one answer is for all", async () => {
    const { conversation, asked } = scripted((seqs) => [ack(seqs.at(-2))]);
    const silent = { ...list, unanswered: true as const };
    await conversation.settle([...Array<Request>(500).fill(silent), list, silent]);
    expect(asked.map((messages) => messages.length)).toEqual([502]);
  });

  test("get their own answers also where the sequence numbers start over", async () => {
    const answer: Line = ([a = 0, b = 0, c = 0]) => [concatBytes([ack(a), ack(b, ENODEV), ack(c)])];
    const { conversation, asked } = scriptedAfter(2 ** 32 - 2, answer, answer);
    for (let sends = 0; sends < 2; sends++) {
      const outcomes = await conversation.settle([up("a"), up("b"), up("c")]);
      expect(outcomes.map(({ ok }) => ok)).toEqual([true, false, true]);
    }
    expect(asked.flat().map(({ seq }) => seq)).toEqual([2 ** 32 - 1, 0, 1, 2, 3, 4]);
  });

  test("wait for one another, and one that failed lets the next one go", async () => {
    const first = Promise.withResolvers<Uint8Array[]>();
    const { conversation, asked } = scripted(
      () => first.promise,
      ([seq]) => [ack(seq)],
    );
    const one = conversation.request(up("a"));
    const two = conversation.request(up("b"));
    await Bun.sleep(0);
    expect(asked).toHaveLength(1);
    first.reject(new UnderlayError("kernel", "send to netlink: ENOBUFS", { errno: "ENOBUFS" }));
    await expect(one).rejects.toMatchObject({ errno: "ENOBUFS" });
    expect(await two).toEqual([]);
    expect(asked).toHaveLength(2);
  });

  test("that were given up earlier may still be answered: that is passed over", async () => {
    const { conversation } = scripted(([seq = 0]) => [ack(seq + 1000, EINVAL), ack(seq)]);
    expect(await conversation.request(up("a"))).toEqual([]);
  });
});

test("a link is looked up by attributes that old kernels know: IFLA_ALT_IFNAME came with 5.5", async () => {
  const { conversation, asked } = scripted(...Array<Line>(2).fill(([seq]) => [part(seq, 0), ack(seq)]));
  await getLink(conversation, { name: "fifteen-bytes-x" });
  await getLink(conversation, { name: "sixteen-bytes-xx" });
  const attrs = asked.flat().map((message) => decodeLink(message).attrs);
  expect(attrs).toMatchObject([{ name: "fifteen-bytes-x" }, { altName: "sixteen-bytes-xx" }]);
  expect(attrs.map((one) => one.name !== undefined && one.altName !== undefined)).toEqual([false, false]);
});

describe("an extended ACK", () => {
  const macvlan = newLinkRequest({ name: "m0", parent: 3, info: { kind: "macvlan", data: { mode: 99 } } });
  /** Of the byte in the message where the value 99 stands: header 16, struct 16, then the attributes. */
  const offset = 16 + macvlan.body.lastIndexOf(99) - 4;
  const words = encodeAttrs(extAckTable, { message: "Bad mode", offset });
  const flags = NLM_F.NLM_F_ACK_TLVS;

  async function told(rest: Uint8Array, extra = 0): Promise<unknown> {
    const { conversation } = scripted(([seq]) => [ack(seq, EINVAL, rest, flags | extra)]);
    const [outcome] = await conversation.settle([macvlan]);
    return outcome?.ok === false ? outcome.error : "no failure";
  }

  test("names the attribute by its path, the kernel's words, and the errno", async () => {
    const capped = concatBytes([new Uint8Array(16), words]);
    expect(await told(capped, NLM_F.NLM_F_CAPPED)).toMatchObject({
      message: "create macvlan m0: info.data.mode: Bad mode: EINVAL",
      errno: "EINVAL",
      kernelText: "Bad mode",
    });
  });

  test("is found behind the whole request, when that is echoed", async () => {
    const echoed = encodeMessage({ type: macvlan.type, flags: macvlan.flags, seq: 1, body: macvlan.body });
    expect(await told(concatBytes([echoed, words]))).toMatchObject({ kernelText: "Bad mode" });
  });

  test("that is cut short or lies leaves the errno", async () => {
    expect(await told(new Uint8Array(3))).toMatchObject({ errno: "EINVAL" });
    expect(await told(fromHex("ff00 0000 0000 0000 0000 0000 0000 0000"))).toMatchObject({ errno: "EINVAL" });
    const far = concatBytes([new Uint8Array(16), encodeAttrs(extAckTable, { offset: 5000 })]);
    expect(await told(far, NLM_F.NLM_F_CAPPED)).toMatchObject({ message: "create macvlan m0: EINVAL" });
    const inHeader = concatBytes([new Uint8Array(16), encodeAttrs(extAckTable, { offset: 4 })]);
    expect(await told(inHeader, NLM_F.NLM_F_CAPPED)).toMatchObject({ message: "create macvlan m0: EINVAL" });
  });
});

describe("an exchange over a socket", () => {
  function socket(...datagrams: Uint8Array[]) {
    const sent: Uint8Array[] = [];
    return {
      sent,
      fd: -1,
      send: (bytes: Uint8Array) => void sent.push(bytes),
      receive() {
        const datagram = datagrams.shift();
        if (!datagram) throw new Error("it would wait for ever");
        return datagram;
      },
      close: () => undefined,
    };
  }
  const request = encodeMessage({ type: 17, flags: 5, seq: 9, body: deleteLinkRequest({ name: "m0" }).body });

  test("ends with the last request's ACK and drops what answers none of them", () => {
    const two = concatBytes([request, encodeMessage({ type: 17, flags: 5, seq: 10, body })]);
    const datagrams = [ack(3), ack(10), ack(4, EINVAL), ack(9)];
    expect(exchangeOver(socket(...datagrams), two)).toEqual([ack(10), ack(9)]);
  });

  test("fails with our error when the kernel sends what cannot be", () => {
    expect(() => exchangeOver(socket(fromHex("ff000000 0200 0000 09000000 00000000")), request)).toThrow(
      UnderlayError,
    );
  });
});
