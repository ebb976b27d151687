import { ipvlanScenarios } from "./ipvlan.ts";

ipvlanScenarios("newest");
