import type { BlockedForward, ForwardFacts } from "../lib/forward-facts.ts";
import { host } from "./host.fixture.ts";
import type { HostCases } from "./host-cases.fixture.ts";

const forward = (change: Partial<ForwardFacts>) =>
  host({ forward: { known: { blocked: [], unread: [], ...change } } });
const mine = { family: "inet", table: "mine", chain: "forward" };
const iptables = { family: "ip", table: "filter", chain: "FORWARD" };
const way = (change: Partial<BlockedForward> = {}): BlockedForward => ({
  ...{ chain: mine, link: "br0", way: "from", by: "policy drop", isAll: true, keeper: "nobody" },
  ...change,
});
const iptablesWay = (change: Partial<BlockedForward>) =>
  way({ chain: iptables, keeper: "iptables", ...change });

/** Hosts with networks behind them. */
export const FORWARD_CASES: Readonly<Record<string, HostCases>> = {
  "UL-O10": {
    holds: [
      {
        host: forward({ blocked: [way(), way({ way: "to" })] }),
        message: "chain inet mine forward drops what containers on br0 send",
      },
      {
        host: forward({ blocked: [way({ way: "to", by: "rule 2 of forward: drop" })] }),
        message: "chain inet mine forward drops what comes to br0: published ports are not reached",
      },
      {
        host: forward({ blocked: [iptablesWay({ keeper: "ufw", isAll: false })] }),
        message: "chain ip filter FORWARD drops what containers on br0 send",
      },
      {
        host: forward({ blocked: [iptablesWay({})] }),
        message: "chain ip filter FORWARD drops what containers on br0 send",
      },
      {
        host: {
          ...forward({ blocked: [iptablesWay({ chain: { ...iptables, family: "ip6" } })] }),
          boot: { unread: "no systemd" },
        },
        message: "chain ip6 filter FORWARD drops what containers on br0 send",
      },
      {
        host: forward({ blocked: [iptablesWay({ by: "rule 1 of DOCKER-USER: reject" })] }),
        message: "chain ip filter FORWARD drops what containers on br0 send",
      },
      {
        host: forward({
          blocked: [
            way({ chain: { ...mine, table: "firewalld", chain: "filter_FORWARD" }, keeper: "firewalld" }),
          ],
        }),
        message: "chain inet firewalld filter_FORWARD drops what containers on br0 send",
      },
      {
        host: forward({ unread: ["br0"] }),
        message: "iptables-legacy has rules, too, and they may drop what containers on br0 send",
      },
    ],
    not: [host(), forward({})],
    skipped: [host({ forward: { unread: "the rules of the firewall are not for this user: run as root" } })],
  },
};
