import { CARRYING_CONDITIONS } from "./carrying.ts";
import type { Condition } from "./condition.ts";
import { CONF_CONDITIONS } from "./confs.ts";
import { ENDPOINT_CONDITIONS } from "./endpoints.ts";
import { FORWARD_CONDITIONS } from "./forward.ts";
import { HOST_CONDITIONS } from "./host.ts";
import { KERNEL_CONDITIONS } from "./kernel.ts";
import { MACHINE_CONDITIONS } from "./machine.ts";
import { NETWORK_CONDITIONS } from "./networks.ts";
import { OCCUPIED_CONDITIONS } from "./occupied.ts";
import { PARENT_CONDITIONS } from "./parents.ts";
import { PROBE_CONDITIONS } from "./probe.ts";
import { RUNTIME_CONDITIONS } from "./runtime.ts";
import { WAY_CONDITIONS } from "./switch-ways.ts";
import { SWITCH_CONDITIONS } from "./switches.ts";

/** What `doctor` can look for; the others are about a file that somebody names. */
export function isOfHost({ judge, judgeHost }: Condition): boolean {
  return judge !== undefined || judgeHost !== undefined;
}

/** Of no interest to a host without Open vSwitch: there it is not asked. */
export function isOfSwitch(condition: Condition): boolean {
  return [...SWITCH_CONDITIONS, ...WAY_CONDITIONS, ...FORWARD_CONDITIONS].includes(condition);
}

/** Every condition, most fundamental first: that is the order of findings of one severity. */
export const CONDITIONS: readonly Condition[] = [
  ...PARENT_CONDITIONS,
  ...CARRYING_CONDITIONS,
  ...PROBE_CONDITIONS,
  ...OCCUPIED_CONDITIONS,
  ...KERNEL_CONDITIONS,
  ...NETWORK_CONDITIONS,
  ...ENDPOINT_CONDITIONS,
  ...HOST_CONDITIONS,
  ...SWITCH_CONDITIONS,
  ...WAY_CONDITIONS,
  ...FORWARD_CONDITIONS,
  ...MACHINE_CONDITIONS,
  ...RUNTIME_CONDITIONS,
  ...CONF_CONDITIONS,
];
