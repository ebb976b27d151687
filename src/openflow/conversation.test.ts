import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { concatBytes, fromHex, toHex } from "../lib/bytes.ts";
import { manualClock } from "../lib/clock.fixture.ts";
import { UnderlayError } from "../lib/errors.ts";
import { eachMessage, encodeMessage, type Message } from "./message.ts";
import { OFP_VERSION, OFPT } from "./numbers.ts";
import { openflowGolden as golden } from "./openflow.golden.ts";
import { switchOver } from "./switch.ts";
import type { WireEvents } from "./wire.ts";

/** A peer that a test plays: what was sent to it, and what it says. */
function scene(options: { readonly version?: 4 | 5; readonly silent?: true } = {}) {
  const { version = 5 } = options;
  const clock = manualClock();
  const sent: Message[] = [];
  const unasked: Message[] = [];
  let events: WireEvents | undefined;
  let isClosed = false;
  const say = (...messages: readonly Partial<Message>[]) =>
    events?.chunk(
      concatBytes(
        messages.map((message) =>
          encodeMessage({ version, type: 0, xid: 0, body: new Uint8Array(), ...message }),
        ),
      ),
    );
  const open = switchOver(
    async (given) => {
      events = given;
      return {
        send(bytes) {
          sent.push(...eachMessage(bytes));
          if (sent.length === 1 && !options.silent) queueMicrotask(() => say({ type: OFPT.OFPT_HELLO }));
        },
        close: () => {
          isClosed = true;
        },
      };
    },
    { bridge: "br0", clock, unasked: (message) => unasked.push(message) },
  );
  return {
    clock,
    sent,
    unasked,
    say,
    speak: (bytes: Uint8Array) => events?.chunk(bytes),
    open,
    lose: (error: UnderlayError) => events?.lost(error),
    isClosed: () => isClosed,
  };
}

const bodyOf = (hex: string) => eachMessage(fromHex(hex))[0]?.body ?? new Uint8Array();
const drop = { table: 0, priority: 1, cookie: 1n, match: {}, instructions: [] };
const add = { do: "add", flow: drop } as const;
const told = (work: Promise<unknown>) =>
  work.then(
    () => "done",
    (error: UnderlayError) => `${error.code}: ${error.message}`,
  );
/** Lets everything that waits only for promises go on. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("who speaks what", () => {
  test("the newest that both know", async () => {
    expect((await scene().open).version).toBe(OFP_VERSION["1.4"]);
    expect((await scene({ version: 4 }).open).version).toBe(OFP_VERSION["1.3"]);
  });

  test("a bridge that speaks only 1.0 is told in words, with the way out", async () => {
    const { say, open, isClosed } = scene({ silent: true });
    await settled();
    say({ version: 1, type: OFPT.OFPT_HELLO });
    expect(await told(open)).toBe(
      "unsupported: br0 speaks no OpenFlow that we do (it has 0x00, 0x01); ovs-vsctl set bridge br0 protocols=OpenFlow13,OpenFlow14",
    );
    expect(isClosed()).toBeTrue();
  });

  test("its own refusal is told too", async () => {
    const { say, open } = scene({ silent: true });
    await settled();
    say({ version: 1, type: OFPT.OFPT_ERROR, body: bodyOf(golden.helloFailed.sent[0]) });
    expect(await told(open)).toBe(
      "unsupported: br0: no common language: no version that both speak (OFPHFC_INCOMPATIBLE)",
    );
  });

  test("nobody says HELLO", async () => {
    const { clock, open } = scene({ silent: true });
    await settled();
    clock.pass(10_000);
    expect(await told(open)).toBe("timeout: br0: no HELLO within 10000 ms");
    expect(clock.pending()).toBe(0);
  });

  test("what comes in the same chunk as the HELLO is of its version already", async () => {
    const { say, open, sent } = scene({ silent: true });
    await settled();
    say({ type: OFPT.OFPT_HELLO }, { type: OFPT.OFPT_ECHO_REQUEST, xid: 9, body: fromHex("abcd") });
    await open;
    expect(sent[1]).toMatchObject({ type: OFPT.OFPT_ECHO_REPLY, xid: 9, body: fromHex("abcd") });
  });
});

describe("a change", () => {
  test("in 1.4 is put into a bundle, and committed only when nothing in it was refused", async () => {
    const { open, sent, say } = scene();
    const change = (await open).change("secure port 5", [add, add]);
    const types = () => sent.slice(1).map(({ type }) => type);
    const {
      OFPT_BUNDLE_CONTROL: control,
      OFPT_BUNDLE_ADD_MESSAGE: inner,
      OFPT_BARRIER_REQUEST: barrier,
    } = OFPT;
    expect(types()).toEqual([control, inner, inner, barrier]);
    expect(new Set(sent.map(({ xid }) => xid)).size).toBe(sent.length);
    for (const { type, xid, body } of sent) {
      if (type === inner)
        expect(eachMessage(body.slice(8))[0]).toMatchObject({ xid, type: OFPT.OFPT_FLOW_MOD });
    }
    say({ type: control, xid: sent[1]?.xid ?? 0, body: bodyOf(golden.bundleReply.received[0]) });
    say({ type: OFPT.OFPT_BARRIER_REPLY, xid: sent[4]?.xid ?? 0 });
    await settled();
    expect(types().slice(4)).toEqual([control]);
    expect(toHex(sent[5]?.body ?? new Uint8Array())).toBe("0000000100040003");
    say({ type: control, xid: sent[5]?.xid ?? 0, body: bodyOf(golden.bundleReply.received[1]) });
    expect(await told(change)).toBe("done");
  });

  test("of which one is refused is discarded, and says what and why", async () => {
    const { open, sent, say } = scene();
    const change = told((await open).change("secure port 5", [add, add]));
    say({ type: OFPT.OFPT_ERROR, xid: sent[3]?.xid ?? 0, body: bodyOf(golden.noSuchGroup.received[0]) });
    say({ type: OFPT.OFPT_BARRIER_REPLY, xid: sent[4]?.xid ?? 0 });
    await settled();
    expect(toHex(sent[5]?.body ?? new Uint8Array())).toBe("0000000100060003");
    say({ type: OFPT.OFPT_BUNDLE_CONTROL, xid: sent[5]?.xid ?? 0 });
    expect(await change).toBe(
      "kernel: br0: secure port 5: an action was refused: a group that there is not (OFPBAC_BAD_OUT_GROUP)",
    );
  });

  test("in 1.3 is confirmed by a barrier", async () => {
    const { open, sent, say } = scene({ version: 4 });
    const change = told((await open).change("secure port 5", [add]));
    expect(sent.slice(1).map(({ type, version }) => [type, version])).toEqual([
      [OFPT.OFPT_FLOW_MOD, 4],
      [OFPT.OFPT_BARRIER_REQUEST, 4],
    ]);
    await settled();
    say({ type: OFPT.OFPT_BARRIER_REPLY, xid: sent[2]?.xid ?? 0 });
    expect(await change).toBe("done");
  });

  test("of nothing sends nothing", async () => {
    const { open, sent } = scene();
    await (await open).change("nothing", []);
    expect(sent).toHaveLength(1);
  });
});

describe("an answer", () => {
  test("in several messages is one", async () => {
    const { open, sent, say } = scene();
    const flows = (await open).flows(0n, 0n);
    const xid = sent[1]?.xid ?? 0;
    const part = bodyOf(golden.flows.received[0]);
    const more = part.slice();
    more[3] = 1;
    say({ type: OFPT.OFPT_MULTIPART_REPLY, xid, body: more });
    say({ type: OFPT.OFPT_MULTIPART_REPLY, xid, body: part });
    expect(await flows).toHaveLength(30);
  });

  test("that does not come is given up, and is nobody's when it comes late", async () => {
    const { open, sent, say, clock } = scene();
    const bridge = await open;
    const ports = told(bridge.ports());
    clock.pass(4_000);
    say({ type: OFPT.OFPT_ECHO_REQUEST });
    clock.pass(4_000);
    say({ type: OFPT.OFPT_ECHO_REQUEST });
    clock.pass(2_000);
    expect(await ports).toBe("timeout: br0: list its ports: no answer within 10000 ms");
    say({ type: OFPT.OFPT_MULTIPART_REPLY, xid: sent[1]?.xid ?? 0, body: bodyOf(golden.ports.received[0]) });
    const again = bridge.ports();
    const { xid = 0 } = sent.at(-1) ?? {};
    say({ type: OFPT.OFPT_MULTIPART_REPLY, xid, body: bodyOf(golden.ports.received[0]) });
    expect(await again).toHaveLength(2);
  });

  test("of another type, or of another version, ends the connection", async () => {
    for (const wrong of [
      { type: OFPT.OFPT_BARRIER_REPLY },
      { type: OFPT.OFPT_MULTIPART_REPLY, version: 4 },
    ]) {
      const { open, sent, say, isClosed } = scene();
      const ports = told((await open).ports());
      say({ xid: sent[1]?.xid ?? 0, ...wrong });
      expect(await ports).toStartWith("kernel: malformed OpenFlow message: ");
      expect(isClosed()).toBeTrue();
    }
  });

  test("nobody asked for is handed on", async () => {
    const { open, say, unasked } = scene();
    await open;
    say({ type: OFPT.OFPT_PORT_STATUS, body: bodyOf(golden.portAdded.received[0]) });
    expect(unasked.map(({ type }) => type)).toEqual([OFPT.OFPT_PORT_STATUS]);
  });
});

describe("a peer", () => {
  test("that is silent is asked, and lives when it answers", async () => {
    const { open, say, sent, clock } = scene();
    const bridge = await open;
    clock.pass(5_000);
    const probe = sent[1];
    expect(probe).toMatchObject({ type: OFPT.OFPT_ECHO_REQUEST });
    say({ type: OFPT.OFPT_ECHO_REPLY, xid: probe?.xid ?? 0 });
    clock.pass(5_000);
    expect(sent).toHaveLength(3);
    bridge[Symbol.dispose]();
    expect(clock.pending()).toBe(0);
  });

  test("that stays silent is dead, for all who wait", async () => {
    const { open, clock, isClosed } = scene();
    const bridge = await open;
    clock.pass(5_000);
    const waiting = told(bridge.ports());
    clock.pass(5_000);
    expect(await waiting).toBe("timeout: br0: silent for 10000 ms");
    expect((await bridge.lost).message).toBe("br0: silent for 10000 ms");
    expect(isClosed()).toBeTrue();
    expect(clock.pending()).toBe(0);
  });

  test("that closes fails all who wait and all who come after", async () => {
    const { open, lose } = scene();
    const bridge = await open;
    const waiting = [told(bridge.ports()), told(bridge.change("secure", [add]))];
    lose(new UnderlayError("unreachable", "closed by the other side"));
    for (const answer of [...waiting, told(bridge.flows(0n, 0n))])
      expect(await answer).toBe("unreachable: closed by the other side");
  });

  test("that sends garbage is told as that", async () => {
    const { open, say } = scene();
    const bridge = await open;
    say({ type: OFPT.OFPT_MULTIPART_REPLY, version: 99 });
    expect((await bridge.lost).message).toContain("version 99 where 5 was agreed on");
  });
});

test("a peer that sends anything at all is heard out or left, and nobody waits for ever", async () => {
  const answer = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc
      .record({
        version: fc.constantFrom(4, 5),
        type: fc.constantFrom(...Object.values(OFPT)),
        xid: fc.nat(4),
        body: fc.constantFrom(...Object.values(golden).map((entry) => bodyOf(first(entry)))),
      })
      .map(encodeMessage),
  );
  const property = fc.asyncProperty(fc.array(answer, { maxLength: 12 }), async (chunks) => {
    const { open, speak, clock } = scene();
    const bridge = await open;
    const waiting = [told(bridge.ports()), told(bridge.flows(0n, 0n)), told(bridge.change("x", [add]))];
    for (const chunk of chunks) speak(chunk);
    await settled();
    for (let passed = 0; passed < 40_000; passed += 5_000) {
      clock.pass(5_000);
      await settled();
    }
    for (const outcome of await Promise.all(waiting)) expect(typeof outcome).toBe("string");
    bridge[Symbol.dispose]();
    expect(clock.pending()).toBe(0);
  });
  await fc.assert(property, { numRuns: 200 });
});

function first(entry: { readonly sent?: readonly string[]; readonly received?: readonly string[] }): string {
  return entry.sent?.[0] ?? entry.received?.[0] ?? "";
}
