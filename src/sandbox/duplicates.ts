import { UnderlayError } from "../lib/errors.ts";
import { formatIp, type Ip, sameIp } from "../lib/ip.ts";
import { listAddresses } from "../netlink/address.ts";
import { openAddressEventSocket } from "../netlink/open.ts";
import type { Libc } from "../sys/libc.ts";
import { awaitReadable } from "../sys/socket.ts";
import type { Target } from "./configure.ts";
import type { Sandbox } from "./sandbox.ts";

/** RFC 4862, section 5.4 asks once and waits a second, after up to one more; the reference has the same patience. */
const PATIENCE_MS = 5000;

/**
 * Returns when the kernel has found that nobody else has these IPv6 addresses of the link. Throws `conflict` when
 * somebody has one, `timeout`.
 */
export async function awaitDuplicateCheck(
  libc: Libc,
  { netns, kernel }: Sandbox,
  { ifindex, ifname }: Target,
  addresses: readonly Ip[],
): Promise<void> {
  const asked = addresses.filter(({ family }) => family === 6);
  if (asked.length === 0) return;
  // Listens before it looks, so that no change can be missed.
  const events = openAddressEventSocket(libc, netns);
  try {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const own = (await listAddresses(kernel, ifindex)).filter(
        (each) => each.ifindex === ifindex && asked.some((ip) => sameIp(ip, each.cidr.ip)),
      );
      const taken = own.find(({ duplicate }) => duplicate);
      if (taken) {
        throw new UnderlayError("conflict", `address ${formatIp(taken.cidr.ip)} is somebody else's already`, {
          inputs: { link: ifname },
        });
      }
      if (!own.some(({ tentative }) => tentative)) return;
      const left = Math.ceil(deadline - performance.now());
      if (left <= 0 || awaitReadable(libc, events.fd, events.fd, left) === "quiet") {
        throw new UnderlayError("timeout", `addresses of link ${ifname} are still tentative`);
      }
      events.receive();
    }
  } finally {
    events.close();
  }
}
