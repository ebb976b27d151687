import type { OvsSpec } from "./spec.ts";
import { carriesTags } from "./vlans.ts";

/** Bytes that VXLAN puts around a frame's payload: inner Ethernet 14, VXLAN 8, UDP 8, and the outer IP header (RFC 7348). */
const VXLAN_OVERHEAD = { v4: 14 + 8 + 8 + 20, v6: 14 + 8 + 8 + 40 } as const;
/** IEEE 802.1Q tag inside a tunnel. */
const TAG = 4;

/** What the tunnels of the network take of the MTU of the link that carries them; 0 without tunnels. `peers`: all known ones. */
export function overheadOf(
  { tunnel, vlans }: Pick<OvsSpec, "tunnel" | "vlans">,
  peers: readonly string[] = tunnel?.peers ?? [],
): number {
  if (!tunnel) return 0;
  const outer = peers.some((peer) => peer.includes(":")) ? VXLAN_OVERHEAD.v6 : VXLAN_OVERHEAD.v4;
  return outer + (carriesTags(vlans) ? TAG : 0);
}

export type ReadMtu = { readonly mtu: number } | { readonly problem: string };

/**
 * The MTU of both ends of the network's links, bytes. `carrier`: the MTU of the uplink, or of the link that leads to
 * the peers; absent when there is none. A default gives way to it, what was asked for does not.
 */
export function mtuOf(
  spec: OvsSpec,
  carrier?: { readonly name: string; readonly mtu: number },
  peers?: readonly string[],
): ReadMtu {
  const wanted = spec.mtu ?? spec.defaultMtu;
  if (!carrier) return { mtu: wanted };
  const overhead = overheadOf(spec, peers);
  const most = carrier.mtu - overhead;
  if (spec.mtu === undefined) return { mtu: Math.min(wanted, most) };
  if (spec.mtu <= most) return { mtu: spec.mtu };
  const less = spec.tunnel ? `, of which VXLAN takes ${overhead}` : "";
  return { problem: `mtu: ${spec.mtu} is more than ${most}: ${carrier.name} carries ${carrier.mtu}${less}` };
}
