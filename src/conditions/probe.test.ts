import { describe, expect, test } from "bun:test";
import { host } from "./host.fixture.ts";
import { findings, hostFindings, refusals } from "./judge.ts";
import { judged, link, parent } from "./judged.fixture.ts";
import { DROPPED, PASSES, probe, probed, SILENT, UNPROVEN } from "./probe.fixture.ts";
import { verdictOf } from "./probe.ts";

test.each([
  [PASSES, "passes"],
  [probe(false, true), "passes"],
  [DROPPED, "dropped"],
  [SILENT, "silent"],
  [probe(false, false), "silent"],
  [UNPROVEN, "unproven"],
] as const)("who was answered is a verdict: %j", (facts, verdict) => {
  expect(verdictOf(facts)).toBe(verdict);
});

test("each question is told, by whom it was asked and who answered", () => {
  const told = findings(probed(UNPROVEN))[0]?.evidence.map(({ source, value }) => `${source}: ${value}`);
  expect(told).toEqual([
    "ARP probe of 192.168.1.1 by 02:00:00:00:00:0a, the parent's own: no answer",
    "ARP probe of 192.168.1.1 by 02:00:00:00:00:0b, a macvlan's for a moment: no answer",
    "ARP request for 192.168.1.1 by 02:00:00:00:00:0a, with the parent's address: answered by 02:00:00:00:00:01",
  ]);
  const [first] = findings(probed(probe(true, false, undefined, "fe80::1")))[0]?.evidence ?? [];
  expect(first?.source).toStartWith("neighbour solicitation for fe80::1 by ");
});

test("a neighbour that is choosy is a warning, and no create is refused by what was answered", () => {
  expect(findings(probed(UNPROVEN))[0]?.severity).toBe("warn");
  for (const facts of [DROPPED, SILENT, UNPROVEN]) expect(refusals(probed(facts), [])).toBeUndefined();
});

describe("a guess", () => {
  const wifi = (change: Parameters<typeof parent>[0]) =>
    judged({
      parent: parent({ link: link({ wireless: { type: "station", fourAddress: false } }), ...change }),
    });
  const quiet = link({ addresses: [] });
  const kvm = { dmi: { sys_vendor: "QEMU" }, release: "6.1.0" };
  const onKvm = (probes: readonly ReturnType<typeof probe>[]) =>
    hostFindings(host({ machine: kvm, parents: [quiet, quiet], probes })).findings;
  const told = (all: readonly { readonly id: string; readonly confidence: string }[]) =>
    all.map(({ id, confidence }) => `${id} ${confidence}`);

  test("of Wi-Fi is proved, and then explains what was answered; disproved; or left as it is", () => {
    expect(told(findings(wifi({ probe: DROPPED })))).toEqual(["UL-P05 certain"]);
    expect(told(findings(wifi({ probe: PASSES })))).toEqual([]);
    expect(told(findings(wifi({ probe: SILENT })))).toEqual(["UL-P05 likely", "UL-I02 certain"]);
    expect(told(findings(wifi({})))).toEqual(["UL-P05 likely"]);
  });

  test("of a hypervisor is proved by one parent, disproved by all", () => {
    expect(told(onKvm([PASSES, DROPPED]))).toEqual(["UL-H04 certain"]);
    expect(told(onKvm([PASSES, PASSES]))).toEqual([]);
    expect(told(onKvm([PASSES, SILENT]))).toEqual(["UL-H04 possible"]);
    expect(told(onKvm([PASSES]))).toEqual(["UL-H04 possible"]);
    expect(told(onKvm([]))).toEqual(["UL-H04 possible"]);
  });

  test("that is proved does not send anybody to prove it", () => {
    const runs = (all: ReturnType<typeof onKvm>) => all.flatMap(({ fix }) => fix.map(({ run }) => run));
    expect(runs(onKvm([]))).toContain("underlay doctor --active");
    expect(runs(onKvm([DROPPED]))).not.toContain("underlay doctor --active");
    const create = findings(wifi({ probe: DROPPED }))[0]?.fix.map(({ run }) => run);
    expect(create?.some((run) => run?.startsWith("docker network create"))).toBe(false);
  });
});
