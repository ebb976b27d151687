import { UnderlayError } from "../../lib/errors.ts";
import type { FoundBridge } from "./bridge-rows.ts";
import type { Rates } from "./endpoint-spec.ts";

/**
 * Throws `unsupported` for a limit that a bridge cannot keep: frames reach ovs-vswitchd in userspace before the kernel's
 * policer would see them.
 */
export function requireRates(rates: Rates, { name, datapath }: FoundBridge): void {
  if (rates.tx === undefined || datapath !== "netdev") return;
  const message = `tx_rate: the userspace datapath of bridge ${name} does not limit what containers send; leave it out, or use datapath=system`;
  throw new UnderlayError("unsupported", message, { problems: [{ subject: "tx_rate", message }] });
}
