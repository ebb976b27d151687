import { expect, test } from "bun:test";
import { openflowGolden } from "../../src/openflow/openflow.golden.ts";
import { captureOpenflow } from "../../tools/golden/openflow.ts";
import { AGES } from "../ground/engines.ts";

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
