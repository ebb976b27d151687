import { version } from "../../package.json";

/** Said once, in package.json. */
export const VERSION: string = version;
