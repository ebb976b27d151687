import type { BridgeBody } from "../daemon/bridge-json.ts";
import type { Cell } from "./table.ts";

type Port = BridgeBody["ports"][number];

/** Rows of `network inspect` about the bridge of a network on a switch. */
export function bridgeRows(bridge: BridgeBody): [string, Cell][] {
  const made = bridge.ours ? "made by Underlay" : "there before";
  return [
    ["bridge", `${bridge.name}, datapath ${bridge.datapath}, ${made}`],
    ...bridge.ports.map((port): [string, Cell] => ["port", portWords(port, bridge.name)]),
  ];
}

function portWords(port: Port, bridge: string): string {
  const { name, owner, peer, key, error, up, rx_bytes: rx, tx_bytes: tx } = port;
  const words = [
    name,
    name === bridge ? "the bridge's own" : (owner?.replace(/^.*[:/]/, "").slice(0, 12) ?? "not Underlay's"),
    vlanWords(port),
    ...(peer === null ? [] : [`tunnel to ${peer}${key === null ? "" : ` key ${key}`}`]),
    ...(port.isolated ? ["isolated"] : []),
    error ?? (up === false ? "down" : "up"),
    `received ${rx} sent ${tx} bytes`,
  ];
  return words.filter((word) => word !== "").join("  ");
}

function vlanWords({ vlan_mode: mode, tag, trunks }: Port): string {
  if (mode === "trunk" || (mode === null && trunks.length > 0 && tag === null))
    return trunks.length === 0 ? "all VLANs" : `VLANs ${trunks.join(",")}`;
  if (mode === "native-untagged") return `native VLAN ${tag ?? 0}, VLANs ${trunks.join(",") || "all"}`;
  return tag === null || tag === 0 ? "" : `VLAN ${tag}`;
}
