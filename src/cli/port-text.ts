import type { EndpointBody } from "../daemon/endpoint-json.ts";

type Port = EndpointBody["ports"][number];

/** Ports of the host that lead to an endpoint, as `docker ps` writes them: `0.0.0.0:8080->80/tcp`. */
export function portsText(ports: readonly Port[]): string {
  const shown = ports.slice(0, MOST_SHOWN).map(portText);
  const more = ports.length - shown.length;
  return [...shown, ...(more > 0 ? [`${more} more`] : [])].join(", ");
}

export function portText({ protocol, host_address: address, ...port }: Port): string {
  const host = address.includes(":") ? `[${address}]` : address;
  return `${host}:${port.host_port}->${port.container_port}/${protocol}`;
}

/** A range can be thousands. */
const MOST_SHOWN = 6;
