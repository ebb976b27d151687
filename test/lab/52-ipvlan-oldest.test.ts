import { ipvlanScenarios } from "./ipvlan.ts";

ipvlanScenarios("oldest");
