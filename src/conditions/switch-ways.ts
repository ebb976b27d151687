import type { PortHolder } from "../lib/switch-facts.ts";
import type { Condition, Evidence, Fix, Judgement } from "./condition.ts";
import { evidenceOfMany, shellWord } from "./say.ts";
import { onBridges } from "./switches.ts";

/** Whether bridges of Open vSwitch lead out of the host: by tunnels, by a NIC. */

const portTaken: Condition = {
  id: "UL-O11",
  title: "the UDP port of tunnels is taken",
  severity: "fail",
  refuses: false,
  confidence: "certain",
  explain:
    "VXLAN goes by UDP port 4789, which one program or link of a host has. Where it is another's, ovs-vswitchd cannot make the " +
    "tunnels of a network, and its containers do not reach those of other hosts. Docker Swarm has that port for its overlay " +
    "networks, unless it was told another.",
  hiddenBy: ["UL-O01", "UL-O05"],
  judgeHost: onBridges(({ bridges, udpPort }) =>
    bridges.flatMap(({ name, broken }): Judgement[] => {
      const lacking = broken.filter(({ lacksUdpPort: lacks }) => lacks);
      if (lacking.length === 0) return [];
      const { who, evidence, fix } = tunnelPort(udpPort);
      return [
        {
          subject: { kind: "parent", name },
          message: `tunnels of bridge ${name} cannot be made: UDP port 4789 is taken by ${who}`,
          evidence: [
            ...evidenceOfMany(lacking, (port) => ({
              source: `Interface ${port.name} error`,
              value: port.error,
            })),
            ...evidence,
          ],
          fix: [...fix, { say: "tunnels come by themselves then, with the daemon's next pass" }],
        },
      ];
    }),
  ),
};

function tunnelPort(holder: PortHolder | undefined): { who: string; evidence: Evidence[]; fix: Fix[] } {
  const list: Fix = {
    say: "see who has it, and give it another",
    run: "ss --udp --listening --numeric --processes",
  };
  if (holder === undefined) return { who: "another", evidence: [], fix: [list] };
  if (holder.kind === "process") {
    const evidence = [{ source: "/proc/net/udp, and descriptors of processes", value: holder.name }];
    return { who: holder.name, evidence, fix: [list] };
  }
  const swarm: Fix = { say: "of Docker Swarm: begin the swarm anew, with --data-path-port=7789" };
  if (holder.kind === "elsewhere") {
    const evidence = [{ source: "/proc/net/udp", value: "a socket on 4789, of no process and no link here" }];
    return { who: "another namespace's link", evidence, fix: [swarm, list] };
  }
  const remove: Fix = {
    say: "remove that link, if nobody needs it",
    run: `ip link delete dev ${shellWord(holder.name)}`,
  };
  const evidence = [{ source: `RTM_GETLINK IFLA_VXLAN_PORT of ${holder.name}`, value: "4789" }];
  return { who: `VXLAN link ${holder.name}`, evidence, fix: [remove, swarm] };
}

const alone: Condition = {
  id: "UL-O12",
  title: "a bridge has no uplink",
  severity: "info",
  refuses: false,
  confidence: "certain",
  explain:
    "In mode flat the bridge is a switch, and no port of this one leads out of the host: there is no uplink, no tunnel, and none " +
    "that somebody has added. Its containers reach each other and nobody else. That may be meant so; it ends with a port that is " +
    "added, by ovs-vsctl as well.",
  hiddenBy: ["UL-O01"],
  judgeHost: onBridges(({ bridges }) =>
    bridges
      .filter(({ isFlat, ways }) => isFlat && ways.length === 0)
      .map(({ name }) => ({
        subject: { kind: "parent", name },
        message: `bridge ${name} has no uplink: its containers reach each other and nobody else`,
        evidence: [{ source: `Bridge ${name} ports`, value: "its own, and those of containers" }],
        fix: [
          {
            say: "put a NIC on it that holds no address of this host",
            run: `ovs-vsctl add-port ${shellWord(name)} NIC`,
          },
          { say: "or make the network anew with -o uplink=NIC; or leave it, if they need nobody else" },
        ],
      })),
  ),
};

export const WAY_CONDITIONS: readonly Condition[] = [portTaken, alone];
