import { asCniError, CNI_CODE } from "../../cni/errors.ts";
import { hostLocal } from "../../cni/ipam/host-local.ts";
import { staticIpam } from "../../cni/ipam/static.ts";
import type { Call, Delegate, Plugin } from "../../cni/plugin.ts";
import { bridge } from "../../cni/plugins/bridge.ts";
import { dummy } from "../../cni/plugins/dummy.ts";
import { flannel } from "../../cni/plugins/flannel.ts";
import { ipvlan } from "../../cni/plugins/ipvlan.ts";
import { macvlan } from "../../cni/plugins/macvlan.ts";
import { onParent } from "../../cni/plugins/on-parent.ts";
import { ovs } from "../../cni/plugins/ovs.ts";
import { ptp } from "../../cni/plugins/ptp.ts";
import { vlan } from "../../cni/plugins/vlan.ts";
import type { Attachments, ReadyRequest } from "../../engine/attach.ts";
import type { HostLocalPools } from "../../engine/host-local.ts";
import type { Pairs } from "../../engine/pairs.ts";
import { parseRangeSets, type RangeSet } from "../../ipam/range.ts";
import { UnderlayError } from "../../lib/errors.ts";
import { openLibc } from "../../sys/libc.ts";
import { flannelFiles } from "../../wiring/flannel.ts";
import { readText } from "./files.ts";
import { parentProblem } from "./parents.ts";

/** Plugins of ours that read their configuration as they always do, and then do nothing: what they would do is noted. */

export interface Dry {
  /** The link that would be made, and on what. */
  wanted?: ReadyRequest;
  /** A pair of links that would be made; the bridge that has one end. */
  pair?: { readonly mode: "bridge" | "ptp" | "ovs"; readonly bridge?: string };
  /** Plugins that would be asked, with what they would be handed. */
  readonly asked: { readonly type: string; readonly call: Call }[];
  /** Directory and ranges of a pool. */
  pool?: { readonly folder: string; readonly sets: readonly RangeSet[] };
  refusal?: string;
  unavailable?: string;
}

/** Undefined when this program is no such plugin. Never rejects. */
export async function dryRun(type: string, call: Call): Promise<Dry | undefined> {
  const make = Object.hasOwn(PLUGINS, type) ? PLUGINS[type] : undefined;
  if (!make) return undefined;
  const dry: Dry = { asked: [] };
  try {
    await make(dry).status(call);
  } catch (thrown) {
    const error = asCniError(thrown);
    const text = error.details === "" ? error.message : `${error.message}; ${error.details}`;
    if (error.code === CNI_CODE.notAvailable || error.code === CNI_CODE.tryAgain) dry.unavailable = text;
    else dry.refusal = text;
  }
  return dry;
}

const PLUGINS: Readonly<Record<string, (dry: Dry) => Plugin>> = {
  macvlan: (dry) => onParent(macvlan, noting(dry), () => wishing(dry)),
  ipvlan: (dry) => onParent(ipvlan, noting(dry), () => wishing(dry)),
  vlan: (dry) => onParent(vlan, noting(dry), () => wishing(dry)),
  dummy: (dry) => onParent(dummy, noting(dry), () => wishing(dry)),
  bridge: (dry) => bridge(noting(dry), ({ name }) => pairing(dry, { mode: "bridge", bridge: name })),
  ptp: (dry) => ptp(noting(dry), () => pairing(dry, { mode: "ptp" })),
  ovs: (dry) =>
    ovs({
      delegate: noting(dry),
      pairs: ({ bridge: name }) => pairing(dry, { mode: "ovs", bridge: name }),
      readText,
      note: () => undefined,
    }),
  loopback: () => NOTHING,
  flannel: (dry) => flannel(noting(dry), flannelFiles(openLibc())),
  "host-local": (dry) => hostLocal({ pools: pooling(dry), readText, isDelegated: true }),
  static: () => staticIpam,
};

const never = (): never => {
  throw new UnderlayError("internal", "a dry run does nothing");
};

/** `lo` is in every netns and has no keys. */
const NOTHING: Plugin = {
  add: never,
  del: never,
  check: never,
  gc: never,
  status: async () => undefined,
};

function noting(dry: Dry): Delegate {
  return {
    add: never,
    del: never,
    check: never,
    gc: never,
    status: async (type, call) => void dry.asked.push({ type, call }),
  };
}

function wishing(dry: Dry): Attachments {
  return {
    attach: never,
    detach: never,
    verify: never,
    collect: never,
    async requireReady(request) {
      const name = request.parent?.name;
      const problem = name === undefined ? undefined : parentProblem(name);
      if (problem === undefined) dry.wanted = request;
      else dry.refusal = problem;
      return name;
    },
  };
}

function pairing(dry: Dry, pair: NonNullable<Dry["pair"]>): Pairs {
  return {
    attach: never,
    detach: never,
    verify: never,
    collect: never,
    async requireReady() {
      dry.pair = pair;
    },
  };
}

function pooling(dry: Dry): HostLocalPools {
  const idle = { release: never, check: never, collect: never };
  return {
    open(folder, texts) {
      dry.pool = { folder, sets: parseRangeSets(texts) };
      return { ...idle, allocate: never, status: async () => undefined };
    },
    keeper: () => idle,
  };
}
