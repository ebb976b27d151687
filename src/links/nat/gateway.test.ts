import { expect, test } from "bun:test";
import { UnderlayError } from "../../lib/errors.ts";
import { parseCidr } from "../../lib/ip.ts";
import { i32 } from "../../netlink/codec.ts";
import { Conversation } from "../../netlink/conversation.ts";
import { eachMessage, encodeMessage, NLM_F, NLMSG } from "../../netlink/message.ts";
import { natGateway } from "./gateway.ts";
import type { NatNetwork } from "./rules.ts";

/** Kernels that lack what a gateway needs, which this one does not. */

const subnet = parseCidr("10.1.0.0/24");
const NETWORK: NatNetwork = { id: "net", bridge: "br0", subnets: subnet ? [subnet] : [], ports: [] };

const gatewayOver = (firewall: () => Conversation) =>
  natGateway({
    firewall,
    sysctls: { read: () => undefined, write: () => undefined, list: () => [] },
    log: () => undefined,
    listen: () => Promise.resolve(),
  });

test("without nftables there is nothing to take away, and no network can be", async () => {
  const gateway = gatewayOver(() => {
    throw new UnderlayError("kernel", "open a netlink socket: EPROTONOSUPPORT", { errno: "EPROTONOSUPPORT" });
  });
  await gateway.apply([]);
  await expect(gateway.apply([NETWORK])).rejects.toMatchObject({ errno: "EPROTONOSUPPORT" });
});

test("a part that is missing is told in words", async () => {
  const ENOENT = -2;
  const IS_DUMP = NLM_F.NLM_F_DUMP;
  const answer = (type: number, seq: number, code: number) =>
    encodeMessage({
      type,
      flags: 0,
      seq,
      body: new Uint8Array([...i32.encode(code), ...new Uint8Array(16)]),
    });
  // Nothing is there, and the last change of a batch is refused as by a kernel that has no such expression.
  const conversation = new Conversation({
    exchange: (requests) => {
      const messages = [...eachMessage(requests)];
      return Promise.resolve(
        messages.flatMap(({ seq, flags }) => {
          if ((flags & IS_DUMP) === IS_DUMP) return [answer(NLMSG.NLMSG_DONE, seq, 0)];
          return (flags & NLM_F.NLM_F_ACK) === 0
            ? []
            : [answer(NLMSG.NLMSG_ERROR, seq, messages.length > 1 ? ENOENT : 0)];
        }),
      );
    },
    close: () => undefined,
  });
  await expect(gatewayOver(() => conversation).apply([NETWORK])).rejects.toMatchObject({
    code: "unsupported",
    message: expect.stringContaining("nft_fib_inet"),
  });
});
