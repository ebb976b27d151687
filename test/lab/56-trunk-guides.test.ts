import { guideScenarios, makeHost, rebootingTypist } from "./guide.ts";
import { scenariosIn } from "./scenario.ts";

/** One host; what is at the other end of its cable is switch and router in one. */

const scenario = scenariosIn("newest");

const vlan = (name: string, lower: string, vid: number, protocol = "802.1Q") => `
  ip -n router link add link ${lower} name ${name} type vlan protocol ${protocol} id ${vid}
  ip -n router link set ${name} up`;

const TRUNK = `
  ip -n router address add 192.168.1.1/24 dev lan1
  ${vlan("v50", "lan1", 50)}
  ip -n router address add 10.50.0.1/24 dev v50
  ${vlan("v60", "lan1", 60)}
  ip -n router address add 10.60.0.1/24 dev v60
  ${vlan("outer", "lan1", 10, "802.1ad")}
  ${vlan("inner", "outer", 20)}
  ip -n router address add 10.20.0.1/24 dev inner`;

scenario("the host of the guides", (lab) => makeHost(lab, TRUNK));
guideScenarios(scenario, "docs/guide/host-only.md");
guideScenarios(scenario, "docs/guide/vlan-trunk.md", (lab) => rebootingTypist(lab, TRUNK));
