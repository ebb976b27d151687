/** The CNI plugins of this program, by the names that it is called by and that configurations have as `type`. */
export const PLUGIN_NAMES = [
  "macvlan",
  "ipvlan",
  "vlan",
  "bridge",
  "ptp",
  "ovs",
  "host-local",
  "static",
  "flannel",
  "dummy",
  "loopback",
] as const;

export type PluginName = (typeof PLUGIN_NAMES)[number];

export function isPluginName(text: string): text is PluginName {
  return PLUGIN_NAMES.some((name) => name === text);
}

/** The names under which this program does something. */
export const SERVED_NAMES: readonly PluginName[] = PLUGIN_NAMES;
