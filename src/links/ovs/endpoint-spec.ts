import type { Problem } from "../../lib/errors.ts";
import { type OptionValues, readOptions, yesOrNo } from "../../lib/options.ts";
import { bitRate } from "./values.ts";
import { type PortVlans, vlanOptions, vlanProblems, vlansOf } from "./vlans.ts";

/** Most that a container gets and gives, bit/s, as the container sees it. */
export interface Rates {
  /** What it receives. */
  readonly rx?: number;
  /** What it sends. */
  readonly tx?: number;
}

/** What one endpoint's port is to be, where it differs from its network's. Only `parseOvsEndpoint` makes one. */
export interface OvsEndpointSpec {
  readonly vlans?: PortVlans;
  readonly rates: Rates;
  readonly isolate?: boolean;
}

export type ParsedOvsEndpoint =
  | { readonly endpoint: OvsEndpointSpec }
  | { readonly code: "invalid_option"; readonly problems: readonly Problem[] };

/** Options that a network has for all its endpoints, and each endpoint for itself. */
export const portOptions = {
  ...vlanOptions,
  rx_rate: { read: bitRate },
  tx_rate: { read: bitRate },
  isolate: { read: yesOrNo },
};

type PortValues = OptionValues<typeof portOptions>;

export function ratesOf({ rx_rate: rx, tx_rate: tx }: PortValues): Rates {
  return { ...(rx !== undefined && { rx }), ...(tx !== undefined && { tx }) };
}

/** `docker network connect --driver-opt vlan=20`: options of one endpoint to a spec, or all that is wrong with them. Pure. */
export function parseOvsEndpoint(options: Readonly<Record<string, string>>): ParsedOvsEndpoint {
  const { values, problems: read } = readOptions(portOptions, options);
  const problems = [...read, ...vlanProblems(values)];
  if (problems.length > 0) return { code: "invalid_option", problems };
  const vlans = vlansOf(values);
  return {
    endpoint: {
      ...(vlans && { vlans }),
      rates: ratesOf(values),
      ...(values.isolate !== undefined && { isolate: values.isolate === "true" }),
    },
  };
}
