import { contains, type Family, type Ip, isUnspecified } from "../../lib/ip.ts";
import type { Log } from "../../lib/log.ts";
import { LOOPBACK, type NatNetwork, type PublishedPort } from "./rules.ts";

/**
 * That the host forwards for a gateway: `Documentation/networking/ip-sysctl.rst`. Nothing is remembered and nothing put
 * back: by the time the last network goes, others may need it.
 */

/** `/proc/sys/net` of the netns that the links are in. */
export interface Sysctls {
  /** Without the line feed; undefined when there is no such file, as for a link that is gone or a kernel without IPv6. */
  read(path: string): string | undefined;
  /** Throws `permission`, `kernel`. */
  write(path: string, value: string): void;
  /** Names in a directory; none when there is no such directory. */
  list(path: string): readonly string[];
}

/**
 * The kernel asks the link that a packet comes in by whether it may go on: the bridge for what an endpoint sends, and
 * for the answers any link of the host's, so that IPv4 needs the switch for all. In IPv6 only that one counts.
 */
export function allowForwarding(networks: readonly NatNetwork[], sysctls: Sysctls, log: Log): void {
  const open = networks.filter(({ internal }) => !internal);
  const set = (path: string, value: string): boolean => {
    const before = sysctls.read(path);
    if (before === undefined || before === value) return false;
    sysctls.write(path, value);
    return true;
  };
  for (const { bridge, ports } of ofFamily(open, 4)) {
    set(`ipv4/conf/${bridge}/forwarding`, "1");
    if (ports.some(isAskedByLoopback)) set(`ipv4/conf/${bridge}/route_localnet`, "1");
  }
  if (ofFamily(open, 4).length > 0 && set("ipv4/ip_forward", "1")) {
    log("warn", "switched on net.ipv4.ip_forward: answers come in by any link, and this host forwards now");
  }
  if (ofFamily(open, 6).length === 0 || sysctls.read("ipv6/conf/all/forwarding") !== "0") return;
  // The switch takes away the default routes that routers have told, but not from links that are to hear them all the same.
  const hearing = sysctls
    .list("ipv6/conf")
    .filter((link) => !["all", "default", "lo"].includes(link))
    .filter((link) => sysctls.read(`ipv6/conf/${link}/accept_ra`) === "1")
    .filter((link) => !open.some(({ bridge }) => bridge === link));
  for (const link of hearing) set(`ipv6/conf/${link}/accept_ra`, "2");
  set("ipv6/conf/all/forwarding", "1");
  log("warn", "switched on net.ipv6.conf.all.forwarding; links go on hearing routers (accept_ra=2)", {
    links: hearing.join(" "),
  });
}

function ofFamily(networks: readonly NatNetwork[], family: Family): readonly NatNetwork[] {
  return networks.filter(({ subnets }) => subnets.some(({ ip }) => ip.family === family));
}

/** Whether 127.0.0.1 leads there. */
function isAskedByLoopback({ hostAddress, containerAddress }: PublishedPort): boolean {
  if (containerAddress.family !== 4) return false;
  return hostAddress === undefined || isUnspecified(hostAddress) || isLoopback(hostAddress);
}

function isLoopback(ip: Ip): boolean {
  return contains(LOOPBACK[ip.family], ip);
}
