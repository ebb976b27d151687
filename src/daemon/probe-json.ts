import * as v from "valibot";

const SideJson = v.object({ mac: v.string(), answered_by: v.nullable(v.string()) });

/** One parent of `underlay.doctor/v1` by which a neighbour was asked, and what was answered to which MAC address. */
export const ProbeJson = v.object({
  parent: v.string(),
  target: v.string(),
  verdict: v.picklist(["passes", "dropped", "silent", "unproven"]),
  own: SideJson,
  foreign: SideJson,
});
