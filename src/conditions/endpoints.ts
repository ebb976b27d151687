import type { Condition } from "./condition.ts";
import { networkOf } from "./say.ts";

/** What containers ask for in vain, and endpoints that lost theirs. */

const publishes: Condition = {
  id: "UL-R04",
  title: "published ports do nothing",
  onSwitches: true,
  severity: "info",
  refuses: false,
  confidence: "certain",
  explain:
    "A container on the LAN has an address of its own, and every port it listens on is reachable there. Nothing " +
    "is forwarded from the host's addresses, so -p has no effect.",
  judge(judged) {
    return judged.endpoints
      .filter((endpoint) => endpoint.publishesInVain.length > 0)
      .map((endpoint) => ({
        subject: { kind: "endpoint" as const, name: endpoint.name },
        message: `-p ${firstOf(endpoint.publishesInVain)} has no effect on this network: it is the LAN itself`,
        evidence: [{ source: "port bindings of the endpoint", value: endpoint.publishesInVain.join(", ") }],
        fix: [{ say: "use the container's own address, shown here", run: "underlay endpoint ls" }],
      }));
  },
};

function firstOf(publishes: readonly string[]): string {
  const [first = "", ...more] = publishes;
  return more.length === 0 ? first : `${first} (and ${more.length} more)`;
}

const unattached: Condition = {
  id: "UL-R05",
  title: "an endpoint has no container",
  onSwitches: true,
  severity: "warn",
  refuses: false,
  confidence: "likely",
  explain:
    "Docker asked for this endpoint and never gave it back: dockerd crashed, or it started while Underlay was down " +
    "and gave up on the container. When no container has the link for a while the endpoint is released. Docker " +
    "starts such a container again only when told to.",
  judge(judged) {
    const fix = [
      { say: "see whether its container runs", run: "docker ps --all" },
      {
        say:
          "start it again: docker start NAME; if Docker says that the endpoint exists: " +
          "docker network disconnect -f NETWORK NAME",
      },
      { say: "or leave it, if its container was removed: Underlay releases it by itself" },
    ];
    const suspects = judged.endpoints.flatMap(({ name, addresses, unattachedSince: since }) =>
      since === undefined ? [] : [{ name, addresses, since, what: "has no container" }],
    );
    const released = judged.released.map(({ addresses, at }) => {
      return { name: judged.network, addresses, since: at, what: "had no container and was released" };
    });
    return [...suspects, ...released].map(({ name, addresses, since, what }) => ({
      subject: { kind: "endpoint" as const, name },
      message: `the endpoint ${addresses.join(" ") || name} ${what}`,
      evidence: [
        { source: "macvlan links of every network namespace", value: `none is its link since ${since}` },
      ],
      fix,
    }));
  },
};

const hostCutOff: Condition = {
  id: "UL-R06",
  title: "the host may not reach a network's containers",
  severity: "warn",
  refuses: false,
  confidence: "certain",
  explain:
    "The network was made with host_access: while it has containers, the host has a link of its own beside theirs and a " +
    "route to each. Something keeps the link or a route from being made. Containers and the LAN are not concerned; " +
    "Underlay tries again whenever it looks round, and says when it is well.",
  hiddenBy: ["UL-P01"],
  judge(judged) {
    const { hostTrouble } = judged;
    if (hostTrouble === undefined) return [];
    const { link, error, remedy } = hostTrouble;
    return [
      {
        subject: networkOf(judged),
        message: `the host may not reach the containers: ${error}`,
        evidence: [{ source: `host's own link ${link}`, value: error }],
        fix: [
          ...(remedy === undefined ? [] : [{ say: remedy }]),
          { say: "see whether the host's link is there", run: `ip link show ${link}` },
          { say: "and who else routes to a container's address", run: "ip route show" },
          { say: "once the cause is gone it heals by itself, at the latest after reconcile_interval" },
        ],
      },
    ];
  },
};

export const ENDPOINT_CONDITIONS: readonly Condition[] = [publishes, unattached, hostCutOff];
