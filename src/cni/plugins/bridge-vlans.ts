import { integer, list, optional, struct } from "../../lib/shape.ts";
import { CNI_CODE, CniError } from "../errors.ts";

/** Which VLANs a bridge's port is in: the keys `vlan` and `vlanTrunk`, with the reference's texts. */

const LAST_VID = 4094;

export const trunkShape = list(
  struct({ minID: optional(integer), maxID: optional(integer), id: optional(integer) }),
);

type Trunk = ReturnType<typeof trunkShape>;

export function checkVlan(vlan: number): void {
  if (vlan < 0 || vlan > LAST_VID) throw wrong(`invalid VLAN ID ${vlan} (must be between 0 and ${LAST_VID})`);
}

/** Each once, in order. Throws code 7. */
export function collectVlanTrunk(trunk: Trunk): readonly number[] {
  const vids = trunk.flatMap(({ minID, maxID, id }) => [
    ...rangeOf(minID, maxID),
    ...(id === undefined ? [] : [requireVid(id, "id")]),
  ]);
  return [...new Set(vids)].sort((a, b) => a - b);
}

function rangeOf(minID: number | undefined, maxID: number | undefined): readonly number[] {
  if (minID === undefined && maxID === undefined) return [];
  if (minID === undefined || maxID === undefined) {
    const missing = minID === undefined ? "minID" : "maxID";
    throw wrong(`minID and maxID should be configured simultaneously, ${missing} is missing`);
  }
  const [first, last] = [requireVid(minID, "minID"), requireVid(maxID, "maxID")];
  if (last < first) throw wrong("minID is greater than maxID in trunk parameter");
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

function requireVid(vid: number, key: string): number {
  if (vid > 0 && vid <= LAST_VID) return vid;
  throw wrong(`incorrect trunk ${key} parameter`);
}

function wrong(message: string): CniError {
  return new CniError(CNI_CODE.config, message);
}
