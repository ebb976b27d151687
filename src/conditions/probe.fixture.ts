import type { ProbeFacts, ProbeSide } from "../lib/facts.ts";
import { parseMac } from "../lib/mac.ts";
import type { Cases } from "./cases.fixture.ts";
import type { Judged } from "./condition.ts";
import { ip, judged, parent } from "./judged.fixture.ts";

/** What came of asking 192.168.1.1: by whom it was answered. */

function side(mac: string, answered: boolean): ProbeSide {
  const [own, gateway] = [parseMac(mac), parseMac("02:00:00:00:00:01")];
  if (own === undefined || gateway === undefined) throw new Error(`no MAC: ${mac}`);
  return { mac: own, ...(answered && { answeredBy: gateway }) };
}

/** `addressed`: whether an ordinary request was answered; absent when none was sent. */
export function probe(
  own: boolean,
  foreign: boolean,
  addressed?: boolean,
  target = "192.168.1.1",
): ProbeFacts {
  return {
    target: ip(target),
    own: side("02:00:00:00:00:0a", own),
    foreign: side("02:00:00:00:00:0b", foreign),
    ...(addressed !== undefined && { addressed: side("02:00:00:00:00:0a", addressed) }),
  };
}

export const PASSES = probe(true, true);
export const DROPPED = probe(true, false);
export const SILENT = probe(false, false, false);
export const UNPROVEN = probe(false, false, true);

export function probed(facts: ProbeFacts): Judged {
  return judged({ parent: parent({ probe: facts }) });
}

/** Cases of the conditions of probe.ts. */
export const PROBE_CASES: Readonly<Record<string, Cases>> = {
  "UL-P19": {
    holds: [
      {
        judged: probed(DROPPED),
        message: "foreign MACs are dropped upstream of eth0: containers on it are not heard",
      },
      {
        judged: probed(probe(true, false, undefined, "fe80::1")),
        message: "foreign MACs are dropped upstream of eth0: containers on it are not heard",
      },
    ],
    // A parent that only the foreign one is answered for passes foreign ones.
    not: [judged(), probed(PASSES), probed(probe(false, true)), probed(SILENT), probed(UNPROVEN)],
  },
  "UL-I02": {
    holds: [
      { judged: probed(SILENT), message: "192.168.1.1 does not answer on eth0, to no MAC address" },
      {
        judged: probed(probe(false, false, undefined, "fe80::1")),
        message: "fe80::1 does not answer on eth0, to no MAC address",
      },
      {
        judged: probed(UNPROVEN),
        message: "192.168.1.1 on eth0 answers only those with an address: nothing known of foreign MACs",
      },
    ],
    not: [judged(), probed(PASSES), probed(DROPPED), probed(probe(false, true))],
  },
};
