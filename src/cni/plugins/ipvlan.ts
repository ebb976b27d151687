import { struct, text } from "../../lib/shape.ts";
import { CNI_CODE, CniError } from "../errors.ts";
import type { Call } from "../plugin.ts";
import type { OnParentKind } from "./on-parent.ts";

const MODES = ["l2", "l3", "l3s"] as const;
const FLAGS = ["bridge", "private", "vepa"] as const;

const shape = struct({
  mode: text,
  flag: text,
  mac: text,
  runtimeConfig: struct({ mac: text }),
});

export type IpvlanKeys = ReturnType<typeof shape>;

/** Keys of the reference's plugin, and `flag`, which it lacks. */
export const ipvlan: OnParentKind<ReturnType<typeof shape>> = {
  shape,
  withoutIpam: "those of prevResult",
  makesVlans: true,
  wish({ mode: wantedMode, flag: wantedFlag, mac, runtimeConfig }) {
    const mode = oneOf(MODES, wantedMode, "mode");
    const flag = oneOf(FLAGS, wantedFlag, "flag");
    if (mac !== "" || runtimeConfig.mac !== "") {
      throw new CniError(
        CNI_CODE.unsupportedField,
        `mac ${JSON.stringify(mac || runtimeConfig.mac)}: an ipvlan has the MAC address of its parent; macvlan has its own`,
      );
    }
    return { kind: "ipvlan", mode, flag };
  },
  parent: masterOfChain,
};

function oneOf<T extends string>(choices: readonly [T, ...T[]], given: string, what: string): T {
  const value = given === "" ? choices[0] : choices.find((choice) => choice === given);
  if (value !== undefined) return value;
  throw new CniError(CNI_CODE.config, `unknown ipvlan ${what}: ${JSON.stringify(given)}`);
}

/** A chained ipvlan hangs on the one link that the plugin before it made. */
function masterOfChain({ env, prevResult }: Call): string | undefined {
  if (!prevResult || env.verb !== "ADD") return undefined;
  const [only, ...more] = prevResult.interfaces;
  if (only !== undefined && more.length === 0 && only.name !== "") return only.name;
  throw new CniError(CNI_CODE.config, "chained master failure. PrevResult lacks a single named interface");
}
