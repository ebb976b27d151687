import type { Family } from "../../lib/ip.ts";
import { formatIp } from "../../lib/ip.ts";
import type { Log } from "../../lib/log.ts";
import { forgetUdpTo } from "../../netlink/conntrack.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { isErrno } from "../../netlink/failure.ts";
import type { NatNetwork } from "./rules.ts";

/**
 * UDP connections end when nothing is said for a while. Who keeps on sending to a port that was published meanwhile, or
 * leads to another endpoint now, would be led where the first packet went; TCP begins anew by itself.
 */

/** Family and number. */
export type UdpPort = readonly [Family, number];

/** Ports of the host that lead elsewhere now; all of them when the networks are the same and their table was not. */
export function changedUdpPorts(
  before: readonly NatNetwork[] | undefined,
  now: readonly NatNetwork[],
): readonly UdpPort[] {
  const [old, current] = [udpPorts(before ?? []), udpPorts(now)];
  const changed = [...old, ...current].filter(([key]) => !(old.has(key) && current.has(key)));
  const ports = new Map((changed.length > 0 ? changed : [...current]).map(([, port]) => [port.join(), port]));
  return [...ports.values()];
}

function udpPorts(networks: readonly NatNetwork[]): ReadonlyMap<string, UdpPort> {
  const open = networks.filter(({ internal }) => !internal);
  return new Map(
    open
      .flatMap(({ ports }) => ports)
      .filter(({ protocol }) => protocol === "udp")
      .map(({ hostAddress, hostPort, containerAddress, containerPort }) => {
        const from = `${hostAddress ? formatIp(hostAddress) : ""} ${hostPort}`;
        const key = `${from} ${formatIp(containerAddress)} ${containerPort}`;
        return [key, [containerAddress.family, hostPort]] as const;
      }),
  );
}

export async function forgetFlows(
  conversation: Conversation,
  ports: readonly UdpPort[],
  log: Log,
): Promise<void> {
  try {
    for (const [family, port] of ports) await forgetUdpTo(conversation, family, port);
  } catch (thrown) {
    if (!isErrno(thrown, "EINVAL", "EOPNOTSUPP", "EPROTONOSUPPORT")) throw thrown;
    log(
      "warn",
      "this kernel lets nobody end UDP connections: old ones go where they went until they are silent",
    );
  }
}
