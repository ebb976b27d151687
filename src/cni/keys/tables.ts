import type { PluginName } from "../plugins.ts";
import type { KeyDocs } from "./doc.ts";
import { HOST_LOCAL, STATIC } from "./ipam.ts";
import { OVS } from "./ovs.ts";
import { BRIDGE, PTP } from "./pairs.ts";
import { DUMMY, FLANNEL, IPVLAN, MACVLAN, VLAN } from "./plugins.ts";

/** What a plugin is, and its own keys. */
export interface PluginKeys {
  readonly title: string;
  readonly keys: KeyDocs;
}

/** By the name that a configuration has as `type`. */
export const PLUGIN_KEYS: Readonly<Partial<Record<PluginName, PluginKeys>>> = {
  macvlan: { title: "a link with a MAC address of its own on the parent", keys: MACVLAN },
  ipvlan: { title: "a link with the parent's MAC address", keys: IPVLAN },
  vlan: { title: "an 802.1Q link of the parent, for one container", keys: VLAN },
  bridge: { title: "a pair of links, one end a port of a bridge", keys: BRIDGE },
  ptp: { title: "a pair of links, one end the container's gateway", keys: PTP },
  ovs: { title: "a pair of links, one end a port of Open vSwitch", keys: OVS },
  dummy: { title: "a link that leads nowhere", keys: DUMMY },
  loopback: { title: "`lo`, up", keys: {} },
  flannel: { title: "another plugin, with what flannel's daemon knows", keys: FLANNEL },
  "host-local": { title: "addresses from pools, kept in files of this host", keys: HOST_LOCAL },
  static: { title: "addresses as they are written", keys: STATIC },
};

/** Keys that every configuration may have. */
export const EVERY_PLUGIN: KeyDocs = {
  cniVersion: { is: "string", absent: "`0.1.0`", help: "of a list its own counts" },
  name: { is: "string", help: "of the network; of a list its own counts" },
  type: { is: "string", help: "the plugin's name on CNI_PATH" },
  kind: {
    is: "string",
    help: "the plugin's name when `type` is `underlay`: the program is then found under its own name",
  },
  capabilities: { is: "object", help: "`true` for each of `runtimeConfig` that the runtime shall fill in" },
  args: { is: "object", help: "arguments of the runtime's own conventions" },
  runtimeConfig: { is: "object", help: "written by the runtime" },
  prevResult: { is: "object", help: "written by the runtime: what the plugin before this one said" },
};

/** Keys of a `.conflist`. Runtimes read them, plugins do not. */
export const LIST_KEYS: KeyDocs = {
  cniVersion: { is: "string", absent: "`0.1.0`", help: "the version that older runtimes speak" },
  cniVersions: {
    is: "list of strings",
    absent: "`cniVersion` alone",
    help: "more versions: a runtime that knows the key takes the newest that it knows",
  },
  name: { is: "string", help: "of the network: letters, digits, `_`, `.` and `-`" },
  disableCheck: { is: "true or false", absent: "false", help: "CHECK is not called" },
  disableGC: { is: "true or false", absent: "false", help: "GC is not called" },
  loadOnlyInlinedPlugins: {
    is: "true or false",
    absent: "false",
    help: "`NAME/*.conf` beside the list are not added to it",
  },
  plugins: {
    is: "list of objects",
    help: "configurations of plugins, in the order in which a container passes them",
  },
};
