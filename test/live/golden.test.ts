import { describe, expect, test } from "bun:test";
import { framesGolden } from "../../src/lib/frames.golden.ts";
import { addressGolden } from "../../src/netlink/address.golden.ts";
import { kindsGolden } from "../../src/netlink/kinds.golden.ts";
import { linkGolden } from "../../src/netlink/link.golden.ts";
import { macvlanGolden } from "../../src/netlink/macvlan.golden.ts";
import { neighbourGolden } from "../../src/netlink/neighbour.golden.ts";
import { routeGolden } from "../../src/netlink/route.golden.ts";
import { captureFrames } from "../../tools/capture-frames.ts";
import { capture } from "../../tools/golden/capture.ts";
import { CASES } from "../../tools/golden/cases.ts";

/** The golden files are what the tool says that they are: captured again, `ip` sends the same bytes. */

type Entries = Readonly<Record<string, { readonly command: string; readonly sent?: readonly string[] }>>;

const FILES: Readonly<Record<string, Entries>> = {
  address: addressGolden,
  kinds: kindsGolden,
  link: linkGolden,
  macvlan: macvlanGolden,
  neighbour: neighbourGolden,
  route: routeGolden,
};

/** Another `ip` may order its attributes otherwise; then this says nothing about ours. */
const CAPTURED_WITH = "iproute2-6.1.0";
const installed = Bun.spawnSync(["ip", "-V"]).stdout.toString();

describe.skipIf(!installed.includes(CAPTURED_WITH))(
  `golden requests, captured again (${CAPTURED_WITH})`,
  () => {
    for (const [file, cases] of Object.entries(CASES)) {
      test(file, () => {
        const captured = cases
          .filter(({ take }) => take.direction === "sent")
          .map((wanted) => [wanted.name, capture(wanted).map((bytes) => Buffer.from(bytes).toString("hex"))]);
        const stored = Object.entries(FILES[file] ?? {}).flatMap(([name, { sent }]) =>
          sent ? [[name, [...sent]]] : [],
        );
        expect(captured).toEqual(stored);
      });
    }
  },
);

test("golden frames, captured again: this kernel asks for neighbours and answers with the same bytes", () => {
  expect(captureFrames()).toEqual(framesGolden);
});
