import { expect, test } from "bun:test";
import { deriveMac } from "../../lib/mac.ts";
import {
  bridgeColumns,
  externalIds,
  gatewayRows,
  idsOf,
  isSameIds,
  localInterfaceColumns,
  portRows,
  tunnelRows,
  uplinkRows,
} from "./rows.ts";
import { vlanColumns } from "./vlan-columns.ts";
import { UNTAGGED } from "./vlans.ts";

const mac = deriveMac("test");
const ids = { network: "docker:n1", endpoint: "docker:n1/e1" };
const wish = { bridge: "br0", name: "ulo-a", ids, vlans: UNTAGGED, isolate: false, rates: {}, mac };
const marks = { owner: "underlay", network: "docker:n1" };

test("a port says whose it is, and to other programs what is behind it", () => {
  expect(portRows(wish)).toEqual({
    bridge: "br0",
    name: "ulo-a",
    ids,
    port: {
      vlan_mode: "access",
      tag: 0,
      trunks: [],
      protected: false,
      external_ids: { ...marks, endpoint: "docker:n1/e1" },
    },
    iface: {
      type: "",
      options: {},
      ingress_policing_rate: 0,
      ingress_policing_burst: 0,
      external_ids: {
        ...marks,
        endpoint: "docker:n1/e1",
        "iface-id": "docker:n1/e1",
        "attached-mac": mac,
      },
    },
    qos: undefined,
  });
});

test("marks are read back from our rows, and from nobody else's", () => {
  const ROLES = [
    { network: "n", role: "uplink" },
    { network: "n", role: "gateway" },
    { network: "n", role: "overlay" },
    { network: "n", role: "bridge" },
  ] as const;
  const all = [ids, { network: "n", peer: "192.0.2.1" }, ...ROLES];
  for (const one of all) {
    const read = idsOf(new Map(Object.entries(externalIds(one))));
    expect(read).toEqual(one);
    expect(all.map((other) => isSameIds(read, other))).toEqual(all.map((other) => other === one));
  }
  expect(idsOf(new Map([["owner", "ovs-cni.network.kubevirt.io"]]))).toBeUndefined();
  expect(idsOf(new Map([["network", "n"]]))).toBeUndefined();
  expect(isSameIds(undefined, ids)).toBe(false);
});

test.each([
  [
    { mode: "access", vlan: 10 },
    { vlan_mode: "access", tag: 10, trunks: [] },
  ],
  [
    { mode: "trunk", vlans: [10, 20] },
    { vlan_mode: "trunk", tag: undefined, trunks: [10, 20] },
  ],
  [
    { mode: "trunk", vlans: [] },
    { vlan_mode: "trunk", tag: undefined, trunks: [] },
  ],
  [
    { mode: "trunk", vlans: [10], native: 99 },
    { vlan_mode: "native-untagged", tag: 99, trunks: [10] },
  ],
] as const)("%j", (vlans, columns) => expect(vlanColumns(vlans)).toEqual(columns));

test("rates: what the container sends is policed in kbit, what it gets is shaped in bit", () => {
  const limited = portRows({ ...wish, rates: { tx: 64_000, rx: 2_500_000_000 } });
  expect(limited.iface).toMatchObject({ ingress_policing_rate: 64, ingress_policing_burst: 1000 });
  expect(limited.qos).toMatchObject({
    type: "linux-htb",
    other_config: { "max-rate": "2500000000" },
    external_ids: { endpoint: "docker:n1/e1" },
  });
  expect(portRows({ ...wish, rates: { tx: 50_000_000 } }).iface).toMatchObject({
    ingress_policing_rate: 50_000,
    ingress_policing_burst: 5000,
  });
});

test("a bridge has a MAC that ports do not change, and its link an MTU", () => {
  const common = { name: "br0", network: "docker:n1", mac, mtu: 1400 };
  const bridge = { ...common, datapath: "netdev", datapathAsked: true } as const;
  expect(bridgeColumns(bridge)).toMatchObject({
    datapath_type: "netdev",
    fail_mode: "standalone",
    other_config: { hwaddr: mac },
    external_ids: marks,
  });
  expect(localInterfaceColumns(bridge)).toMatchObject({ type: "internal", mtu_request: 1400 });
});

test("a tunnel is protected, and in the network's VLAN alone", () => {
  const vlans = { mode: "access", vlan: 10 } as const;
  const tunnel = { bridge: "br0", name: "ult-a", network: "docker:n1", vni: 42, peer: "192.0.2.2", vlans };
  const { port, iface } = tunnelRows(tunnel);
  expect(port).toMatchObject({ protected: true, tag: 10, external_ids: { ...marks, peer: "192.0.2.2" } });
  const options = { remote_ip: "192.0.2.2", key: "42", dst_port: "4789" };
  expect(iface).toMatchObject({ type: "vxlan", options });
});

test("a gateway's link is in the network's VLAN alone, with a MAC and an MTU", () => {
  const vlans = { mode: "access", vlan: 10 } as const;
  const wish = { bridge: "br0", name: "ulg-a", network: "docker:n1", vlans, mac, mtu: 1400 };
  const { port, iface } = gatewayRows(wish);
  expect(port).toMatchObject({ tag: 10, protected: false, external_ids: { role: "gateway" } });
  expect(iface).toMatchObject({ type: "internal", mac, mtu_request: 1400 });
});

test("an uplink carries every VLAN", () => {
  const { port } = uplinkRows({ bridge: "br0", name: "eth1", network: "docker:n1" });
  expect(port).toMatchObject({ vlan_mode: "trunk", trunks: [], external_ids: { role: "uplink" } });
});
