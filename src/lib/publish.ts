import { formatIp, type Ip, parseIp } from "./ip.ts";

/** A port to be published, as `docker run -p` says it: `127.0.0.1:8080-8090:80/tcp`; without a host port, `80/tcp`. */
export interface Publish {
  readonly protocol: string;
  /** Absent: every address of the host. */
  readonly hostAddress?: Ip;
  /** One of these, both included; absent: any that is free. */
  readonly hostPorts?: readonly [first: number, last: number];
  readonly containerPort: number;
}

export function formatPublish({ protocol, hostAddress, hostPorts, containerPort }: Publish): string {
  const address = hostAddress && formatIp(hostAddress);
  const host = address?.includes(":") ? `[${address}]` : address;
  const [first, last] = hostPorts ?? [];
  const range = first === last ? first : `${first}-${last}`;
  const where = [host, range].filter((part) => part !== undefined).map((part) => `${part}:`);
  return `${where.join("")}${containerPort}/${protocol}`;
}

const PUBLISH = /^(?:(?:\[([^\]]+)\]|(\d+(?:\.\d+){3})):)?(?:(\d+)(?:-(\d+))?:)?(\d+)\/(\w+)$/;

/** What `formatPublish` wrote; anything else is undefined. */
export function parsePublish(text: string): Publish | undefined {
  const [whole, v6, v4, first, last = first, port, protocol] = PUBLISH.exec(text) ?? [];
  if (whole === undefined || port === undefined || protocol === undefined) return undefined;
  const given = v6 ?? v4;
  const hostAddress = given === undefined ? undefined : parseIp(given);
  if (given !== undefined && hostAddress === undefined) return undefined;
  return {
    protocol,
    ...(hostAddress && { hostAddress }),
    ...(first !== undefined && { hostPorts: [Number(first), Number(last)] as const }),
    containerPort: Number(port),
  };
}
