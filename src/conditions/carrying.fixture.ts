import type { Cases } from "./cases.fixture.ts";
import type { Judged } from "./condition.ts";
import { judged, link, parent } from "./judged.fixture.ts";

function onBond(mode: string, change: Partial<Judged> = {}): Judged {
  return judged({ parent: parent({ link: link({ bond: { name: "bond0", mode } }) }), ...change });
}

function onBridge(filteredBy: readonly string[]): Judged {
  return judged({
    parent: parent({ link: link({ name: "br0", altNames: ["eth0"], kind: "bridge", filteredBy }) }),
  });
}

/** Cases of the conditions of carrying.ts. */
export const CARRYING_CASES: Readonly<Record<string, Cases>> = {
  "UL-P03": {
    holds: [
      {
        judged: judged({ parent: parent({ link: link({ carrier: false }) }) }),
        message: "eth0 has no carrier: cable, switch port or the other end",
      },
      {
        judged: judged({ parent: parent({ link: link({ carrier: false, kind: "bridge" }) }) }),
        message: "eth0 has no carrier: none of its ports has a link",
      },
    ],
    // A link that is down has no carrier either: UL-P02 says so.
    not: [judged(), judged({ parent: parent({ link: link({ carrier: false, up: false }) }) })],
  },
  "UL-P10": {
    holds: [
      {
        judged: onBond("balance-alb"),
        message:
          "frames of containers are lost on bond bond0: balance-alb answers ARP with the bond's MAC addresses",
      },
      {
        judged: onBond("balance-tlb"),
        message:
          "frames of containers are lost on bond bond0: balance-tlb sends by links that expect no answer",
      },
    ],
    not: [onBond("active-backup"), onBond("802.3ad"), onBond("balance-alb", { kind: "ipvlan", mode: "l2" })],
  },
  "UL-P15": {
    holds: [
      {
        judged: onBridge(["net.bridge.bridge-nf-call-iptables"]),
        message: "frames of containers on br0 pass the firewall of this host (br_netfilter)",
      },
    ],
    not: [judged(), onBridge([])],
  },
};
