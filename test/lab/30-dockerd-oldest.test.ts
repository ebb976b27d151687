import { dockerdScenarios } from "./dockerd.ts";

dockerdScenarios("oldest");
