import { expect, test } from "bun:test";
import type { BridgeBody } from "../daemon/bridge-json.ts";
import { bridgeRows } from "./bridge-text.ts";

const PORT: BridgeBody["ports"][number] = {
  ...{
    name: "p",
    owner: null,
    vlan_mode: null,
    tag: null,
    trunks: [],
    isolated: false,
    ofport: 1,
    error: null,
  },
  ...{ up: true, peer: null, key: null, rx_bytes: "0", tx_bytes: "18446744073709551615" },
};

test("a bridge is told with its ports: whose, which VLAN, what is wrong, what has passed", () => {
  const bridge: BridgeBody = {
    name: "br0",
    datapath: "netdev",
    ours: true,
    ports: [
      { ...PORT, name: "br0", tag: 0, vlan_mode: "access" },
      { ...PORT, name: "eth2", up: false },
      { ...PORT, name: "one", owner: "docker:abc/0123456789abcdef", tag: 10, isolated: true },
      { ...PORT, name: "two", owner: "docker:abc/f", vlan_mode: "native-untagged", tag: 5, trunks: [6, 7] },
      { ...PORT, name: "three", owner: "docker:abc", vlan_mode: "trunk", peer: "192.0.2.2", key: "7" },
      { ...PORT, name: "four", owner: "docker:abc/e", error: "could not open network device four" },
    ],
  };
  const counted = "received 0 sent 18446744073709551615 bytes";
  expect(bridgeRows(bridge)).toEqual([
    ["bridge", "br0, datapath netdev, made by Underlay"],
    ["port", `br0  the bridge's own  up  ${counted}`],
    ["port", `eth2  not Underlay's  down  ${counted}`],
    ["port", `one  0123456789ab  VLAN 10  isolated  up  ${counted}`],
    ["port", `two  f  native VLAN 5, VLANs 6,7  up  ${counted}`],
    ["port", `three  abc  all VLANs  tunnel to 192.0.2.2 key 7  up  ${counted}`],
    ["port", `four  e  could not open network device four  ${counted}`],
  ]);
});
