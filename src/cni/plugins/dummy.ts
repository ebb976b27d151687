import { struct } from "../../lib/shape.ts";
import { CNI_CODE, CniError } from "../errors.ts";
import { ipamShape } from "./ipam.ts";
import type { OnParentKind } from "./on-parent.ts";

const shape = struct({ ipam: ipamShape });

export type DummyKeys = ReturnType<typeof shape>;

/** The reference's plugin has no keys of its own; here `mtu` counts, too. A dummy without an address is good for nothing. */
export const dummy: OnParentKind<ReturnType<typeof shape>> = {
  shape,
  withoutIpam: "an error",
  isParentless: true,
  wish({ ipam }) {
    if (ipam.type !== "") return { kind: "dummy" };
    throw new CniError(CNI_CODE.config, "dummy interface requires an IPAM configuration");
  },
};
