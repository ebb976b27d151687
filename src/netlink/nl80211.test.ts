import { expect, test } from "bun:test";
import { concatBytes, fromHex } from "../lib/bytes.ts";
import { Conversation } from "./conversation.ts";
import { eachMessage, encodeMessage, NLM_F, NLMSG } from "./message.ts";
import { wirelessLink } from "./nl80211.ts";
import type { Transport } from "./transport.ts";

/**
 * No Wi-Fi where this is tested: the answers are put together by hand from `<linux/nl80211.h>`, in the order of
 * nl80211_send_iface() of net/wireless/nl80211.c, not captured.
 */

const CTRL = 16;
const NL80211 = 28;

/** CTRL_CMD_NEWFAMILY: name and number. */
const families = [
  fromHex("01 02 0000  0b00 0200 6e6c6374726c0000  0600 0100 1000 0000"), // nlctrl, 16
  fromHex("01 02 0000  0c00 0200 6e6c383032313100  0600 0100 1c00 0000"), // nl80211, 28
];

/** NL80211_CMD_NEW_INTERFACE of wlan0, index 3. */
function wlan0(iftype: string, fourAddress: string): Uint8Array {
  return fromHex(
    "07 01 0000" +
      "0800 0300 03000000" + // IFINDEX 3
      "0a00 0400 776c616e3000 0000" + // IFNAME wlan0
      "0800 0100 00000000" + // WIPHY 0
      `0800 0500 ${iftype}000000` + // IFTYPE
      "0c00 9900 0100000000000000" + // WDEV
      "0a00 0600 021122334455 0000" + // MAC
      "0800 2e00 05000000" + // GENERATION
      `0500 5300 ${fourAddress} 000000`, // 4ADDR
  );
}

type Answers = Readonly<Record<number, readonly Uint8Array[] | "ENODEV">>;

/** A kernel that answers by message type. */
function kernel(answers: Answers): Conversation {
  const transport: Transport = {
    async exchange(bytes) {
      return [...eachMessage(bytes)].map(({ type, seq }) => {
        const answer = answers[type] ?? [];
        const error = Int32Array.of(answer === "ENODEV" ? -19 : 0);
        const done = { type: NLMSG.NLMSG_ERROR, flags: 0, seq, body: new Uint8Array(error.buffer) };
        const bodies = answer === "ENODEV" ? [] : answer;
        const messages = bodies.map((body) => ({ type, flags: NLM_F.NLM_F_MULTI, seq, body }));
        return concatBytes([...messages, done].map(encodeMessage));
      });
    },
    close: () => undefined,
  };
  return new Conversation(transport);
}

const cases = [
  { what: "a station", body: wlan0("02", "00"), link: { type: "station", fourAddress: false } },
  {
    what: "a station with four addresses",
    body: wlan0("02", "01"),
    link: { type: "station", fourAddress: true },
  },
  { what: "an access point", body: wlan0("03", "00"), link: { type: "other", fourAddress: false } },
  { what: "a monitor", body: wlan0("06", "00"), link: { type: "other", fourAddress: false } },
] as const;

test.each(cases)("$what", async ({ body, link }) => {
  expect(await wirelessLink(kernel({ [CTRL]: families, [NL80211]: [body] }), 3)).toEqual(link);
});

test("a link without Wi-Fi", async () => {
  expect(await wirelessLink(kernel({ [CTRL]: families, [NL80211]: "ENODEV" }), 3)).toBeUndefined();
});

test("a kernel without Wi-Fi", async () => {
  const conversation = kernel({ [CTRL]: families.slice(0, 1), [NL80211]: [wlan0("02", "00")] });
  expect(await wirelessLink(conversation, 3)).toBeUndefined();
});
