import { integer, struct } from "../../lib/shape.ts";
import { CNI_CODE, CniError } from "../errors.ts";
import type { OnParentKind } from "./on-parent.ts";

/** IEEE 802.1Q: 4095 is reserved; 0 is "no VLAN" and the reference lets it pass. */
const LAST_VID = 4094;

const shape = struct({ vlanId: integer });

export type VlanKeys = ReturnType<typeof shape>;

/** Keys of the reference's plugin and its texts. */
export const vlan: OnParentKind<ReturnType<typeof shape>> = {
  shape,
  withoutIpam: "an error",
  wish({ vlanId: vid }) {
    if (vid < 0 || vid > LAST_VID) {
      throw new CniError(
        CNI_CODE.config,
        `invalid VLAN ID ${vid} (must be between 0 and ${LAST_VID} inclusive)`,
      );
    }
    return { kind: "vlan", vid };
  },
  parent() {
    throw new CniError(
      CNI_CODE.config,
      '"master" field is required. It specifies the host interface name to create the VLAN for',
    );
  },
};
