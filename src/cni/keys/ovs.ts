import type { OvsKeys } from "../plugins/ovs-keys.ts";
import type { Docs } from "./doc.ts";
import { DNS } from "./ipam.ts";

/** Keys of the plugin for Open vSwitch: those of k8snetworkplumbingwg/ovs-cni. */

const FILES = "`/etc/kubernetes/cni/net.d/ovs.d/ovs.conf`, `/etc/cni/net.d/ovs.d/ovs.conf`";

const MAC = {
  is: "string",
  help: "the container's MAC address; the runtime's goes before `args`'s, MAC of CNI_ARGS last",
} as const;

export const OVS: Docs<OvsKeys> = {
  bridge: {
    is: "string",
    absent: "an error; `br-int` with `ovnPort`",
    help: "a bridge of Open vSwitch that is there already; none is made",
  },
  vlan: {
    is: "number",
    absent: "a trunk",
    help: "the VLAN of the port, up to 4094; with `trunk` that of frames without a tag",
  },
  trunk: {
    is: "list of objects",
    absent: "all VLANs, unless `vlan` is there",
    help: "VLANs whose frames have tags",
    keys: {
      id: { is: "number", help: "one; 0: frames without a tag" },
      minID: { is: "number", help: "the first of a range …" },
      maxID: { is: "number", help: "… and its last" },
    },
  },
  mtu: { is: "number", absent: "the kernel's 1500", help: "bytes, of both ends" },
  interface_type: {
    is: "string",
    absent: "`system`",
    help: "is not used, and said so: the port is one end of a veth pair",
  },
  ofport_request: {
    is: "number",
    absent: "any",
    help: "the OpenFlow number that is asked for, 1 to 65279; Open vSwitch gives another one when it is taken",
  },
  socket_file: {
    is: "string",
    absent: "`unix:/run/openvswitch/db.sock`",
    help: "where ovsdb-server listens: `unix:PATH`, a path alone, or `tcp:HOST:PORT`",
  },
  link_state_check_retries: {
    is: "number",
    absent: "5",
    help: "times the interval is how long the port may take to be up",
  },
  link_state_check_interval: { is: "number", absent: "600", help: "milliseconds" },
  configuration_path: {
    is: "string",
    absent: FILES,
    help: "a JSON file with the keys above, for those that are not here; the first that is there is read",
  },
  deviceID: { is: "string", help: "is refused: no hardware offload" },
  ipam: {
    is: "object",
    absent: "a link without an address",
    help: "the plugin that gives addresses, with its own keys",
    keys: {
      type: { is: "string", absent: "none", help: "its name: `host-local`, `static`, or any on CNI_PATH" },
    },
  },
  dns: { ...DNS, absent: "the IPAM plugin's" },
  args: {
    is: "object",
    help: "arguments of the runtime's own conventions",
    keys: {
      cni: {
        is: "object",
        help: "the well-known ones",
        keys: {
          mac: MAC,
          ovnPort: {
            is: "string",
            help: "logical port of OVN, `external_ids:iface-id` of the interface; goes before OvnPort of CNI_ARGS",
          },
        },
      },
    },
  },
  runtimeConfig: {
    is: "object",
    help: "what the runtime adds",
    keys: { mac: { ...MAC, help: "the same; needs the capability `mac`" } },
  },
};
