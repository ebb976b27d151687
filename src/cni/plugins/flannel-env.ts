import { type Cidr, formatCidr, networkOf } from "../../lib/ip.ts";
import { word } from "../../lib/quote.ts";
import { parseGoCidr } from "../address.ts";

/** What flannel's daemon wrote of this host's part of the cluster's network. */
export interface SubnetEnv {
  /** All of the cluster's, IPv4 before IPv6, none twice. */
  readonly networks: readonly Cidr[];
  /** This host's, at most one of each family. */
  readonly subnets: readonly Cidr[];
  readonly mtu: number;
  /** The daemon masquerades itself. */
  readonly ipMasq: boolean;
}

/** Either of the two will do. */
const NETWORKS = ["FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK"] as const;
const SUBNETS = ["FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET"] as const;

/** `subnet.env`, lines of `KEY=VALUE`; answers the problem instead when something is missing or wrong. */
export function parseSubnetEnv(text: string): SubnetEnv | { readonly problem: string } {
  const values = new Map(text.split("\n").map(splitLine));
  const has = (key: string) => values.has(key);
  const missing = [NETWORKS, SUBNETS, ["FLANNEL_MTU"], ["FLANNEL_IPMASQ"]]
    .filter((keys) => !keys.some(has))
    .flat();
  if (missing.length > 0) return { problem: `it is missing ${missing.join(", ")}` };
  const cidrsOf = (key: string) => (values.get(key)?.split(",") ?? []).map((one) => ({ key, one }));
  const wanted = { networks: NETWORKS.flatMap(cidrsOf), subnets: SUBNETS.flatMap(cidrsOf) };
  const wrong = [...wanted.networks, ...wanted.subnets].find(({ one }) => parseGoCidr(one) === undefined);
  if (wrong) return { problem: `${wrong.key} must be ADDRESS/PREFIX, not ${word(wrong.one)}` };
  const mtu = values.get("FLANNEL_MTU") ?? "";
  if (!/^\d{1,9}$/.test(mtu)) return { problem: `FLANNEL_MTU must be a number, not ${word(mtu)}` };
  return {
    networks: distinct(wanted.networks.flatMap(({ one }) => parseGoCidr(one) ?? [])),
    subnets: wanted.subnets.flatMap(({ one }) => parseGoCidr(one) ?? []).map(masked),
    mtu: Number(mtu),
    ipMasq: values.get("FLANNEL_IPMASQ") === "true",
  };
}

function splitLine(line: string): readonly [string, string] {
  const at = line.indexOf("=");
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
}

function masked(cidr: Cidr): Cidr {
  return { ip: networkOf(cidr), prefix: cidr.prefix };
}

function distinct(cidrs: readonly Cidr[]): Cidr[] {
  return [...new Map(cidrs.map(masked).map((cidr) => [formatCidr(cidr), cidr])).values()];
}
