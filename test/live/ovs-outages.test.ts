import { describe, expect, test } from "bun:test";
import { until } from "../ground/until.ts";
import { ROWS } from "./contract/rows.ts";
import { contractScene } from "./contract/scene.ts";

/** What dockerd is told while a program of Open vSwitch does not run, and that all is made good when it does. */

const row = ROWS.find(({ name }) => name === "ovs (newest), Docker");
if (!row) throw new Error("the contract has no such driver");

const now = contractScene(row);
const switchOf = () => {
  const { ovs } = now().subject.host;
  if (!ovs) throw new Error("there is no switch");
  return ovs;
};
const ports = async () => (await switchOf().vsctl("list-ports", "br7")).split("\n").length;

describe("while ovs-vswitchd does not run", () => {
  test("a network is refused in words, in time, and nothing of it is there afterwards", async () => {
    const { box, subject, expectNothing } = now();
    const container = await box();
    await switchOf().killVswitchd();
    try {
      await expect(subject.attach(container)).rejects.toThrow(/^CreateNetwork: .*ovs-vswitchd/);
    } finally {
      await switchOf().startVswitchd();
    }
    await expectNothing();
  });

  test("a container is refused, what runs stays, and it starts when the switch is back", async () => {
    const { box, subject, attached } = now();
    const [first, second] = [await box(), await box()];
    await attached(first);
    await switchOf().killVswitchd();
    try {
      await expect(subject.attach(second)).rejects.toThrow(/^Join: .*ovs-vswitchd/);
    } finally {
      await switchOf().startVswitchd();
    }
    expect(await ports()).toBe(1);
    await attached(second);
    expect(await ports()).toBe(2);
  });
});

describe("while ovsdb-server does not run", () => {
  test("a network and its endpoints go, and the switch is told when it is back", async () => {
    const { box, subject, attached, detach, traces } = now();
    await subject.restart?.({ UNDERLAY_STALE_AFTER: "1s", UNDERLAY_RECONCILE_INTERVAL: "500ms" });
    const container = await box();
    const before = await traces();
    await attached(container);
    await switchOf().killDatabase();
    try {
      // Answered in time, well or not; the work may go on a little longer.
      for (const leave of [() => detach(container), () => subject.close()])
        await Promise.allSettled([leave()]);
    } finally {
      await switchOf().startDatabase();
    }
    const isSo = async () => Bun.deepEquals(await traces(), before);
    await until("all of it is gone", isSo, { withinMs: 30_000 });
    await subject.restart?.();
  });
});
