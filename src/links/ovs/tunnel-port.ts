import { UnderlayError } from "../../lib/errors.ts";
import type { PortHolder } from "../../lib/switch-facts.ts";
import { decodeAttrs } from "../../netlink/attribute.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { vxlanTable } from "../../netlink/kinds/vxlan.ts";
import { listLinks } from "../../netlink/link.ts";
import type { LinkInfo } from "../../netlink/link-info.ts";
import { hasSocket, processWith } from "../nat/holder.ts";
import { VXLAN_PORT } from "./values.ts";

/** The UDP port of tunnels, of which the kernel has one socket in a network namespace. */

/** What ovs-vswitchd says of a tunnel then: strerror(3) of EADDRINUSE. */
const IN_USE = "Address already in use";

export function lacksUdpPort(error: string): boolean {
  return error.includes(IN_USE);
}

/** Who has it; undefined when nobody has, or Open vSwitch. `home`: in the netns of the bridges, as this process is. */
export async function tunnelPortHolder(home: Conversation, proc = "/proc"): Promise<PortHolder | undefined> {
  const process = processWith("udp", VXLAN_PORT, proc);
  if (process !== undefined) return { kind: "process", name: process };
  const links = await listLinks(home, { kind: "vxlan" });
  const taking = links.find(
    ({ attrs: { name = "", info } }) => !isOfSwitch(name) && portOf(info) === VXLAN_PORT,
  );
  if (taking?.attrs.name !== undefined) return { kind: "link", name: taking.attrs.name };
  const isOwn = links.some(({ attrs: { name = "" } }) => isOfSwitch(name));
  return !isOwn && hasSocket("udp", VXLAN_PORT, proc) ? { kind: "elsewhere" } : undefined;
}

/** Open vSwitch has one link of the kernel's for all tunnels of a port. */
function isOfSwitch(name: string): boolean {
  return name === `vxlan_sys_${VXLAN_PORT}`;
}

function portOf(info: LinkInfo | undefined): number | undefined {
  const data = info && "rawData" in info ? info.rawData : undefined;
  return data && decodeAttrs(vxlanTable, data).port;
}

function wordsOf(holder: PortHolder): string {
  if (holder.kind === "process") return holder.name;
  return holder.kind === "link" ? `VXLAN link ${holder.name}` : "a VXLAN link in another network namespace";
}

/** The failure to make a tunnel, with who has the port that it lacks. */
export async function withHolder(
  thrown: unknown,
  holder: () => Promise<PortHolder | undefined>,
): Promise<unknown> {
  if (!(thrown instanceof UnderlayError) || !lacksUdpPort(thrown.message)) return thrown;
  const found = await holder();
  const who = found ? wordsOf(found) : "somebody who cannot be told";
  const message = `UDP port ${VXLAN_PORT}, which tunnels need, is taken by ${who}: ${thrown.message}`;
  return new UnderlayError("conflict", message, { inputs: thrown.inputs, cause: thrown });
}
