import { formatIp, type Ip } from "../../../lib/ip.ts";
import type { Conversation } from "../../../netlink/conversation.ts";
import { getNeighbour, NUD, probeNeighbourRequest, useNeighbourRequest } from "../../../netlink/neighbour.ts";

/** Who answers on a link, as the kernel's own neighbour table has it: what it asks it asks as any packet would make it. */

/** Milliseconds between two looks at an answer that the kernel tells by no event of ours. */
const LOOK = 20;

export type Pause = (milliseconds: number) => Promise<void>;

/** Those of the addresses that answer on the link within so many milliseconds. */
export async function answering(
  home: Conversation,
  ifindex: number,
  addresses: readonly Ip[],
  { within, pause }: { readonly within: number; readonly pause: Pause },
): Promise<Ip[]> {
  const deadline = performance.now() + within;
  for (const ip of addresses) await ask(home, ifindex, ip);
  const heard = new Set<string>();
  for (;;) {
    for (const ip of addresses) {
      const { state = 0 } = (await getNeighbour(home, ifindex, ip))?.header ?? {};
      if (ANSWERED & state) heard.add(formatIp(ip));
      // IPv6 asks in vain while its link-local address is being tried: a second and more on a link that just came up.
      else if (FRUITLESS & state) await ask(home, ifindex, ip);
    }
    if (heard.size === addresses.length || performance.now() > deadline) break;
    await pause(LOOK);
  }
  return addresses.filter((ip) => heard.has(formatIp(ip)));
}

/** Of one that was silent for a while the kernel would first wait five seconds for a sign of life. */
async function ask(home: Conversation, ifindex: number, ip: Ip): Promise<void> {
  const known = await getNeighbour(home, ifindex, ip);
  const mac = known?.attrs.linkAddress;
  if (known && ANSWERED & known.header.state) return;
  const request =
    typeof mac === "string" ? probeNeighbourRequest(ifindex, ip, mac) : useNeighbourRequest(ifindex, ip);
  await home.settle([request]);
}

/** An entry that somebody made permanent says that nobody needs to be asked. */
const ANSWERED = NUD.NUD_REACHABLE | NUD.NUD_PERMANENT;
const FRUITLESS = NUD.NUD_FAILED;
