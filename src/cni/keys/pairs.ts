import type { BridgeKeys } from "../plugins/bridge.ts";
import type { MasqKeys } from "../plugins/pair.ts";
import type { PtpKeys } from "../plugins/ptp.ts";
import type { Docs } from "./doc.ts";
import { DNS } from "./ipam.ts";

/** Keys of the plugins that make a pair of links. */

const IPAM = {
  is: "object",
  help: "the plugin that gives addresses, with its own keys",
  keys: {
    type: { is: "string", absent: "none", help: "its name: `host-local`, `static`, or any on CNI_PATH" },
  },
} as const;

const MASQUERADE: Docs<MasqKeys> = {
  ipMasq: {
    is: "true or false",
    absent: "false",
    help: "what leaves the container's subnets seems to come from the host",
  },
  ipMasqBackend: {
    is: "string",
    absent: "`nftables`",
    help: "`nftables`, or `iptables`, in whose place nftables does the same",
  },
};

const MTU = { is: "number", absent: "the kernel's 1500", help: "bytes" } as const;

export const PTP: Docs<PtpKeys> = {
  mtu: MTU,
  ipam: { ...IPAM, absent: "an error" },
  dns: { ...DNS, absent: "the IPAM plugin's" },
  ...MASQUERADE,
};

const MAC = {
  mac: { is: "string", help: "the container's MAC address; the runtime's goes before `args`'s" },
} as const;

export const BRIDGE: Docs<BridgeKeys> = {
  bridge: {
    is: "string",
    absent: "`cni0`",
    help: "the bridge of the host; made when it is not there, and kept",
  },
  isGateway: {
    is: "true or false",
    absent: "false",
    help: "the bridge has the gateways' addresses, and the host forwards",
  },
  isDefaultGateway: {
    is: "true or false",
    absent: "false",
    help: "the same, and a default route through them",
  },
  forceAddress: {
    is: "true or false",
    absent: "false",
    help: "addresses of the bridge that are in the way are replaced",
  },
  mtu: { ...MTU, help: "bytes; of a bridge when it is made" },
  hairpinMode: {
    is: "true or false",
    absent: "false",
    help: "what comes from the container may go back to it",
  },
  promiscMode: {
    is: "true or false",
    absent: "false",
    help: "the bridge passes on to the host what is for nobody",
  },
  vlan: {
    is: "number",
    absent: "0: none",
    help: "of frames without a tag, up to 4094; gateways are then on `BRIDGE.VLAN`",
  },
  vlanTrunk: {
    is: "list of objects",
    absent: "none",
    help: "VLANs whose frames have tags",
    keys: {
      id: { is: "number", help: "one" },
      minID: { is: "number", help: "the first of a range …" },
      maxID: { is: "number", help: "… and its last" },
    },
  },
  preserveDefaultVlan: {
    is: "true or false",
    absent: "false",
    help: "the port stays in the VLAN that the bridge gives every port",
  },
  macspoofchk: {
    is: "true or false",
    absent: "false",
    help: "the container may send from no other MAC address than its own",
  },
  enabledad: {
    is: "true or false",
    absent: "false",
    help: "ask whether somebody has the IPv6 addresses already",
  },
  disableContainerInterface: {
    is: "true or false",
    absent: "false",
    help: "the container's end stays down; without `ipam` only",
  },
  portIsolation: { is: "true or false", absent: "false", help: "isolated ports do not reach each other" },
  ipam: { ...IPAM, absent: "a link without an address" },
  dns: { ...DNS, absent: "the IPAM plugin's" },
  args: {
    is: "object",
    help: "arguments of the runtime's own conventions",
    keys: { cni: { is: "object", help: "the well-known ones", keys: MAC } },
  },
  runtimeConfig: { is: "object", help: "what the runtime adds", keys: MAC },
  ...MASQUERADE,
};
