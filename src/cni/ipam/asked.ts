import { list, struct, text } from "../../lib/shape.ts";
import { CNI_CODE, CniError } from "../errors.ts";
import { isAtLeast, type Version } from "../versions.ts";

/** What the IPAM plugins have in common. */

/** `ips` of runtimeConfig and of `args.cni`. */
export const askedShape = {
  runtimeConfig: struct({ ips: list(text) }),
  args: struct({ cni: struct({ ips: list(text) }) }),
};

/** Results before 0.3.0 have one address of each family. `families`: of all that a container would get. */
export function requireRoom(version: Version, families: readonly (4 | 6)[]): void {
  if (isAtLeast(version, "0.3.0") || new Set(families).size === families.length) return;
  throw wrong(`CNI version ${version} does not support more than 1 address per family`);
}

export function wrong(message: string): CniError {
  return new CniError(CNI_CODE.config, message);
}
