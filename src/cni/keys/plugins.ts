import type { DummyKeys } from "../plugins/dummy.ts";
import type { FlannelConf } from "../plugins/flannel.ts";
import type { IpvlanKeys } from "../plugins/ipvlan.ts";
import type { MacvlanKeys } from "../plugins/macvlan.ts";
import type { CommonKeys } from "../plugins/on-parent.ts";
import type { VlanKeys } from "../plugins/vlan.ts";
import type { Doc, Docs } from "./doc.ts";
import { DNS } from "./ipam.ts";

/** Keys of the plugins that make links. */

const IPAM: Doc<CommonKeys["ipam"]> = {
  is: "object",
  help: "the plugin that gives addresses, with its own keys",
  keys: {
    type: { is: "string", absent: "none", help: "its name: `host-local`, `static`, or any on CNI_PATH" },
  },
};

const ON_PARENT: Docs<CommonKeys> = {
  master: {
    is: "string",
    absent: "the link of the default route",
    help: "the parent: name or altname of a link of the host; of macvlan and ipvlan also `LINK.VID`, which is made when it is missing",
  },
  mtu: { is: "number", absent: "the parent's", help: "bytes, at most the parent's" },
  linkInContainer: {
    is: "true or false",
    absent: "false",
    help: "the parent is looked for in the container",
  },
  vlan_protocol: {
    is: "string",
    absent: "`802.1q`",
    help: "of the VLAN that is made, of two the outer: `802.1q` or `802.1ad`",
  },
  ipam: IPAM,
  dns: DNS,
};

export const MACVLAN: Docs<CommonKeys & MacvlanKeys> = {
  ...ON_PARENT,
  ipam: { ...IPAM, absent: "a link without an address" },
  mode: { is: "string", absent: "`bridge`", help: "`bridge`, `private`, `vepa` or `passthru`" },
  mac: {
    is: "string",
    absent: "the kernel's choice",
    help: "the container's MAC address; MAC of CNI_ARGS and the runtime's go before it",
  },
  bcqueuelen: {
    is: "number",
    absent: "the kernel's 1000",
    help: "broadcasts that may wait on the parent (Linux 5.11)",
  },
  runtimeConfig: {
    is: "object",
    help: "what the runtime adds",
    keys: { mac: { is: "string", help: "the MAC address; needs the capability `mac`" } },
  },
};

export const IPVLAN: Docs<CommonKeys & IpvlanKeys> = {
  ...ON_PARENT,
  master: {
    ...ON_PARENT.master,
    absent: "the one link of `prevResult`, else that of the default route",
  },
  ipam: { ...IPAM, absent: "the addresses of `prevResult`" },
  mode: { is: "string", absent: "`l2`", help: "`l2`, `l3` or `l3s`; the parent's links all have the same" },
  flag: { is: "string", absent: "`bridge`", help: "`bridge`, `private` or `vepa`; not in the reference" },
  mac: { is: "string", help: "is refused: an ipvlan has its parent's MAC address" },
  runtimeConfig: {
    is: "object",
    help: "what the runtime adds",
    keys: { mac: { is: "string", help: "is refused, too" } },
  },
};

const { vlan_protocol: _, ...OF_VLAN } = ON_PARENT;

export const VLAN: Docs<Omit<CommonKeys, "vlan_protocol"> & VlanKeys> = {
  ...OF_VLAN,
  master: { ...ON_PARENT.master, absent: "an error" },
  ipam: { ...IPAM, absent: "an error" },
  vlanId: { is: "number", absent: "0", help: "0 to 4094; one container for each on a parent" },
};

type OnParentKeys = "master" | "linkInContainer" | "vlan_protocol";

export const DUMMY: Docs<Omit<CommonKeys, OnParentKeys> & DummyKeys> = {
  mtu: { ...ON_PARENT.mtu, absent: "the kernel's 1500", help: "bytes; not in the reference" },
  ipam: { ...IPAM, absent: "an error" },
  dns: DNS,
};

export const FLANNEL: Docs<FlannelConf> = {
  subnetFile: {
    is: "string",
    absent: "`/run/flannel/subnet.env`",
    help: "what flannel's daemon wrote of this host",
  },
  dataDir: { is: "string", absent: "`/var/lib/cni/flannel`", help: "what was handed on, for the way back" },
  delegate: {
    is: "object",
    absent: '`{"type": "bridge"}`',
    help: "the configuration that is handed on, without `name` and `ipam`",
  },
  ipam: {
    is: "object",
    absent: '`{"type": "host-local"}`',
    help: "gets this host's `ranges`, and a route to the cluster's network",
  },
  runtimeConfig: { is: "object", help: "is handed on" },
};
