import { parseUnicastMac } from "../../lib/mac.ts";
import { integer, struct, text } from "../../lib/shape.ts";
import { loadArgs } from "../args.ts";
import { CNI_CODE, CniError } from "../errors.ts";
import type { Call } from "../plugin.ts";
import type { OnParentKind } from "./on-parent.ts";

const MODES = ["bridge", "private", "vepa", "passthru"] as const;

const shape = struct({
  mode: text,
  mac: text,
  bcqueuelen: integer,
  runtimeConfig: struct({ mac: text }),
});

export type MacvlanKeys = ReturnType<typeof shape>;

/** Keys of the reference's plugin, its defaults and its texts. */
export const macvlan: OnParentKind<MacvlanKeys> = {
  shape,
  withoutIpam: "no addresses",
  makesVlans: true,
  wish(own, call) {
    const name = own.mode || MODES[0];
    const mode = MODES.find((known) => known === name);
    if (mode === undefined) throw wrong(`unknown macvlan mode: ${JSON.stringify(name)}`);
    const mac = macOf(own, call);
    const queue = own.bcqueuelen;
    if (queue < 0) throw wrong(`bcqueuelen must be 0 or more, not ${queue}`);
    return { kind: "macvlan", mode, ...(mac !== undefined && { mac }), ...(queue > 0 && { queue }) };
  },
};

/** The last that says one: the configuration, CNI_ARGS, the runtime. */
function macOf({ mac, runtimeConfig }: MacvlanKeys, { env }: Call) {
  const { MAC } = loadArgs(env.args, { MAC: (value) => value });
  const asked = runtimeConfig.mac || MAC || mac;
  if (asked === "") return undefined;
  const parsed = parseUnicastMac(asked);
  if (parsed === undefined)
    throw wrong(`invalid args ${asked} for MAC addr: address ${asked}: invalid MAC address`);
  return parsed;
}

function wrong(message: string): CniError {
  return new CniError(CNI_CODE.config, message);
}
