import { expect, test } from "bun:test";
import { Conversation } from "../../netlink/conversation.ts";
import { eachMessage, encodeMessage } from "../../netlink/message.ts";
import { masquerade } from "./masquerade.ts";

/** What the kernel's own rules do is in test/live; here a kernel that has none. */

const EINVAL = 22;
const NLMSG_ERROR = 2;

/** Answers every request with that error. */
function refusing(errno: number): Conversation {
  return new Conversation({
    exchange: (requests) =>
      Promise.resolve(
        [...eachMessage(requests)].map(({ seq }) => {
          const body = new Uint8Array(20);
          new DataView(body.buffer).setInt32(0, -errno, true);
          return encodeMessage({ type: NLMSG_ERROR, flags: 0, seq, body });
        }),
      ),
    close: () => undefined,
  });
}

const key = { network: "n", container: "c", ifname: "eth0" };

test("a kernel without nf_tables has nothing to take away, and cannot masquerade", async () => {
  const rules = masquerade(() => refusing(EINVAL));
  await rules.remove(key);
  await rules.collect({ network: "n", alive: [], isStray: () => true });
  await expect(rules.requireReady()).rejects.toThrow("EINVAL");
  await expect(rules.add(key, [])).rejects.toThrow("EINVAL");
});

test("what the kernel does not allow is told", async () => {
  await expect(masquerade(() => refusing(1)).remove(key)).rejects.toThrow("EPERM");
});
