import { expect, test } from "bun:test";
import { framesGolden } from "../../src/lib/frames.golden.ts";
import { addressGolden } from "../../src/netlink/address.golden.ts";
import { bridgeGolden } from "../../src/netlink/bridge.golden.ts";
import { ethtoolGolden } from "../../src/netlink/ethtool.golden.ts";
import { kindsGolden } from "../../src/netlink/kinds.golden.ts";
import { linkGolden } from "../../src/netlink/link.golden.ts";
import { macvlanGolden } from "../../src/netlink/macvlan.golden.ts";
import { natGolden } from "../../src/netlink/nat.golden.ts";
import { neighbourGolden } from "../../src/netlink/neighbour.golden.ts";
import { nftablesGolden } from "../../src/netlink/nftables.golden.ts";
import { routeGolden } from "../../src/netlink/route.golden.ts";
import { captureFrames } from "../../tools/capture-frames.ts";
import { capture } from "../../tools/golden/capture.ts";
import { CASES } from "../../tools/golden/cases.ts";
import { programOf } from "../../tools/golden/programs.ts";

/** The golden files are what the tool says that they are: captured again, the programs send the same bytes. */

type Entries = Readonly<Record<string, { readonly command: string; readonly sent?: readonly string[] }>>;

const FILES: Readonly<Record<string, Entries>> = {
  address: addressGolden,
  bridge: bridgeGolden,
  ethtool: ethtoolGolden,
  kinds: kindsGolden,
  link: linkGolden,
  macvlan: macvlanGolden,
  nat: natGolden,
  neighbour: neighbourGolden,
  nftables: nftablesGolden,
  route: routeGolden,
};

/** Of those that are not captured from `ip`. */
const PROGRAMS: Readonly<Record<string, keyof typeof CAPTURED_WITH>> = {
  ethtool: "ethtool",
  nat: "nft",
  nftables: "nft",
};

/** Another `ip`, `nft` or `ethtool` may order its attributes otherwise; then this says nothing about ours. */
const CAPTURED_WITH = {
  ip: "iproute2-6.1.0",
  nft: "nftables v1.1.7",
  ethtool: "ethtool version 6.1",
} as const;
const said = (command: string) => Bun.spawnSync(command.split(" ")).stdout.toString();
const isInstalled = {
  ip: said("ip -V").includes(CAPTURED_WITH.ip),
  nft: said(`${programOf("nft")} --version`).startsWith(CAPTURED_WITH.nft),
  ethtool: said(`${programOf("ethtool")} --version`).startsWith(CAPTURED_WITH.ethtool),
};

for (const [file, cases] of Object.entries(CASES)) {
  const program = PROGRAMS[file] ?? "ip";
  test.skipIf(!isInstalled[program])(
    `golden requests of ${file}, captured again (${CAPTURED_WITH[program]})`,
    () => {
      const captured = cases
        .filter(({ take }) => take.direction === "sent")
        .map((wanted) => [wanted.name, capture(wanted).map((bytes) => Buffer.from(bytes).toString("hex"))]);
      const stored = Object.entries(FILES[file] ?? {}).flatMap(([name, { sent }]) =>
        sent ? [[name, [...sent]]] : [],
      );
      expect(captured).toEqual(stored);
    },
  );
}

test("golden frames, captured again: this kernel asks for neighbours and answers with the same bytes", () => {
  expect(captureFrames()).toEqual(framesGolden);
});
