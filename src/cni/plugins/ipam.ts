import type { Assigned } from "../../lib/attach.ts";
import { struct, text } from "../../lib/shape.ts";
import { CNI_CODE, CniError } from "../errors.ts";
import type { Call, Delegate } from "../plugin.ts";
import type { Result } from "../result.ts";

/** The IPAM plugin of a configuration, as the plugins ask for it whose links have addresses. */

/** `ipam.type`; empty when there is none. */
export const ipamShape = struct({ type: text });

/** What an IPAM plugin gave, in the engine's words. */
export function assigned({ ips, routes }: Result): Assigned {
  return {
    addresses: ips.map(({ address, gateway }) => ({ address, ...(gateway && { gateway }) })),
    routes: routes.map(({ dst, gw, ...rest }) => ({ to: dst, ...(gw && { via: gw }), ...rest })),
  };
}

/** Throws when it gave none: a link that was to have addresses would be without any, and nobody would know. */
export async function addressesFrom(delegate: Delegate, type: string, call: Call): Promise<Result> {
  const result = await delegate.add(type, call);
  if (result.ips.length === 0) throw new CniError(CNI_CODE.other, "IPAM plugin returned missing IP config");
  return result;
}
