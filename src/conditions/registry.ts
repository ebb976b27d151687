import { CARRYING_CONDITIONS } from "./carrying.ts";
import type { Condition } from "./condition.ts";
import { ENDPOINT_CONDITIONS } from "./endpoints.ts";
import { KERNEL_CONDITIONS } from "./kernel.ts";
import { NETWORK_CONDITIONS } from "./networks.ts";
import { OCCUPIED_CONDITIONS } from "./occupied.ts";
import { PARENT_CONDITIONS } from "./parents.ts";

/** Every condition, most fundamental first: that is the order of findings of one severity. */
export const CONDITIONS: readonly Condition[] = [
  ...PARENT_CONDITIONS,
  ...CARRYING_CONDITIONS,
  ...OCCUPIED_CONDITIONS,
  ...KERNEL_CONDITIONS,
  ...NETWORK_CONDITIONS,
  ...ENDPOINT_CONDITIONS,
];
