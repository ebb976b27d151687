import { guideScenarios, makeHost } from "./guide.ts";
import { scenariosIn } from "./scenario.ts";

const scenario = scenariosIn("newest");

/** It has the way back to the containers behind the host. */
const ROUTER = `
  modprobe ipv6
  ip -n router address add 192.168.1.1/24 dev lan1
  ip -n router address add 192.168.2.1/24 dev lan1
  ip -n router address add fd00:1::1/64 dev lan1 nodad
  ip -n router route add 10.80.0.0/16 via 192.168.1.2
  ip -n router link add link lan1 name vlan50 type vlan id 50
  ip -n router link set vlan50 up
  ip -n router address add 10.50.0.1/24 dev vlan50`;

scenario("the host of the guide", (lab) => makeHost(lab, ROUTER));
guideScenarios(scenario, "docs/guide/ipvlan.md");
