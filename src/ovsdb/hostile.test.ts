import { expect, test } from "bun:test";
import fc from "fast-check";
import { manualClock } from "../lib/clock.fixture.ts";
import { UnderlayError } from "../lib/errors.ts";
import { openOvsdb } from "./client.ts";
import { exchanges } from "./exchange.golden.ts";
import { insert, select, update } from "./operation.ts";
import { schemas } from "./schema.golden.ts";
import { fakeServer, settled } from "./server.fixture.ts";

/** A server that says anything, most of it nearly right: no call is left without an end, and no end is a bug of ours. */

const SCHEMA = JSON.parse(schemas.oldest);
const texts = Object.values(exchanges).flatMap(({ received }) => [...received]);

const edit = fc.record({
  at: fc.nat({ max: 400 }),
  take: fc.nat({ max: 12 }),
  put: fc.oneof(
    fc.constantFrom("", "}", "{", "[", "]", '"', ",", "null", "1", "[]", "{}", "\\", "\0"),
    fc.string(),
  ),
});
/** A real message, changed in a few places; often the answer to one of our requests. */
const message = fc
  .tuple(
    fc.constantFrom(...texts),
    fc.array(edit, { maxLength: 3 }),
    fc.option(fc.integer({ min: 2, max: 6 })),
  )
  .map(([text, edits, id]) => {
    const addressed = id === null ? text : text.replace(/"id":\d+/, `"id":${id}`).replace(/"m[123]"/, '"m1"');
    return edits.reduce((now, { at, take, put }) => now.slice(0, at) + put + now.slice(at + take), addressed);
  });

test("whatever a server says, every call ends, with an answer or an error of ours", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 12 }), async (messages) => {
      const clock = manualClock();
      const server = fakeServer(SCHEMA);
      using ovsdb = await openOvsdb({ target: { kind: "unix", path: "/x" }, clock, open: server.open });
      const calls: Promise<unknown>[] = [
        ovsdb.transact([insert("QoS", { type: "x" })]),
        ovsdb.transact([select("Bridge", [], ["name", "external_ids"])]),
        ovsdb.transact([update("Bridge", [["name", "==", "br0"]], { stp_enable: true }, "some")]),
        ovsdb.replica({ Bridge: ["name", "external_ids", "flood_vlans", "fail_mode"] }),
        ovsdb.lock("mine"),
      ];
      const ends = Promise.allSettled(calls);
      await settled();
      for (const text of messages) {
        server.last.sendText(text);
        await settled();
      }
      clock.pass(20_000);
      await settled();
      for (const end of await ends) {
        if (end.status === "fulfilled") continue;
        expect(end.reason).toBeInstanceOf(UnderlayError);
        expect(end.reason.message).not.toContain("internal error");
      }
    }),
    { numRuns: 300 },
  );
}, 30_000);
