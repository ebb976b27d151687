import { expect, test } from "bun:test";
import { toHex } from "../../src/lib/bytes.ts";
import { ERROR_TYPES, NX_ERRORS } from "../../src/openflow/errors.table.ts";
import { encodeMessage } from "../../src/openflow/message.ts";
import { OFPT } from "../../src/openflow/numbers.ts";
import { openflowGolden } from "../../src/openflow/openflow.golden.ts";
import { captureOpenflow } from "../../tools/golden/openflow.ts";
import { AGES } from "../ground/engines.ts";
import { findSwitch } from "../ground/ovs.ts";
import { must } from "../ground/run.ts";

/** The golden file is what the tool says that it is: captured again, ovs-ofctl of both ages sends the same bytes. */

type Entries = Readonly<Record<string, { readonly command: string; readonly sent?: readonly string[] }>>;

test.each([...AGES])(
  "golden OpenFlow requests, captured again from the %s ovs-ofctl",
  async (age) => {
    // What a HELLO is refused with is a text.
    const isChecked = (name: string) => name !== "helloFailed";
    const { captured } = await captureOpenflow(
      age,
      ({ direction, name }) => direction === "sent" && isChecked(name),
    );
    const stored = Object.entries<Entries[string]>(openflowGolden).flatMap(([name, { command, sent }]) =>
      sent && isChecked(name) ? [{ name, command, direction: "sent" as const, messages: [...sent] }] : [],
    );
    expect(captured).toEqual(stored);
  },
  600_000,
);

/** Where Open vSwitch has other names than the specification. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  OFPBRC_BAD_MULTIPART: "OFPBRC_BAD_STAT",
  OFPBRC_BAD_EXPERIMENTER: "OFPBRC_BAD_VENDOR",
  OFPBRC_BAD_EXP_TYPE: "OFPBRC_BAD_SUBTYPE",
  OFPBRC_IS_SLAVE: "OFPBRC_IS_SECONDARY",
  OFPBAC_BAD_EXPERIMENTER: "OFPBAC_BAD_VENDOR",
  OFPBAC_BAD_EXP_TYPE: "OFPBAC_BAD_VENDOR_TYPE",
};

test.each([...AGES])(
  "the %s ovs-ofctl has the same names for errors",
  async (age) => {
    const { root } = await findSwitch(age);
    const standard = ERROR_TYPES.flatMap(({ codes }, type) =>
      codes.map(([symbol], code) => ({ symbol, body: Uint8Array.of(type >> 8, type, code >> 8, code) })),
    );
    const own = Object.entries(NX_ERRORS).map(([code, [symbol]]) => ({
      symbol,
      body: Uint8Array.of(0xff, 0xff, 0, Number(code), 0, 0, 0x23, 0x20),
    }));
    const named = [...standard, ...own].map(({ symbol, body }) => {
      const hex = toHex(encodeMessage({ version: 5, type: OFPT.OFPT_ERROR, xid: 0, body }));
      return [hex, OTHER_NAMES[symbol] ?? symbol] as const;
    });
    const script = `for hex; do ovs-ofctl ofp-print "$hex" 2>/dev/null | sed -n 's/.*: \\([A-Z_]*\\)$/\\1/p;T;q'; done`;
    const printed = await must(["chroot", root, "sh", "-c", script, "sh", ...named.map(([hex]) => hex)]);
    expect(printed.split("\n")).toEqual(named.map(([, symbol]) => symbol));
  },
  60_000,
);
