import { guideScenarios, makeHost, rebootingTypist } from "./guide.ts";
import { scenariosIn } from "./scenario.ts";

const scenario = scenariosIn("newest");

const ROUTER = "ip -n router address add 192.168.1.1/24 dev lan1";

scenario("the host of the guide", (lab) => makeHost(lab, ROUTER));
guideScenarios(scenario, "docs/guide/swarm-config-only.md", (lab) => rebootingTypist(lab, ROUTER));
