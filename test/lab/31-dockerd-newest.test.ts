import { dockerdScenarios } from "./dockerd.ts";

dockerdScenarios("newest");
