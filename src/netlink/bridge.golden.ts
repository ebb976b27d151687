/**
 * Captured by tools/capture-golden.ts from `ip`, `bridge` and the kernel, on Linux 6.18.44, x86_64, iproute2 6.1.0.
 * Do not edit. Sequence and port numbers are zeroed.
 */
export const bridgeGolden = {
  filtering: {
    command: "ip link add name b0 mtu 1400 type bridge vlan_filtering 1",
    sent: [
      "4c0000001000050600000000000000000000000000000000000000000000000008000400780500000700030062300000" +
        "1c0012000a00010062726964676500000c0002000500070001000000",
    ],
  },
  port: {
    command: "ip link set dev p0 master br0; ip link set dev p0 type bridge_slave hairpin on isolated on",
    sent: [
      "480000001000050000000000000000000000000003000000000000000000000028001200100001006272696467655f73" +
        "6c6176651400050005000400010000000500210001000000",
    ],
  },
  promisc: {
    command: "ip link set dev br0 promisc on",
    sent: ["2000000010000500000000000000000000000000040000000001000000010000"],
  },
  addVlan: {
    command: "bridge vlan add dev p0 vid 100 pvid untagged",
    sent: ["2c000000130005000000000000000000070000000300000000000000000000000c001a000800020006006400"],
  },
  addVlans: {
    command: "bridge vlan add dev p0 vid 101-105",
    sent: [
      "340000001300050000000000000000000700000003000000000000000000000014001a00080002000800650008000200" +
        "10006900",
    ],
  },
  deleteVlan: {
    command: "bridge vlan del dev p0 vid 1",
    sent: ["2c000000110005000000000000000000070000000300000000000000000000000c001a000800020000000100"],
  },
} as const;
