import type { ConfFacts, PluginFacts } from "../lib/conf-facts.ts";

/** Configurations in which a condition holds, with its message, and near misses in which it does not. */
export interface ConfCases {
  readonly holds: readonly { readonly conf: ConfFacts; readonly message: string }[];
  readonly not: readonly ConfFacts[];
}

export function pluginFacts(more: Partial<PluginFacts> = {}): PluginFacts {
  return {
    at: "plugins[0]",
    type: "macvlan",
    path: "/opt/cni/bin/macvlan",
    ours: "yes",
    strangeKeys: [],
    ...more,
  };
}

export function conf(more: Partial<ConfFacts> = {}): ConfFacts {
  return {
    file: "/etc/cni/net.d/10-lan.conflist",
    versions: { older: "1.0.0", newest: "1.1.0" },
    folders: ["/opt/cni/bin"],
    plugins: [pluginFacts()],
    ...more,
  };
}

const withPlugin = (more: Partial<PluginFacts>) => conf({ plugins: [pluginFacts(more)] });
const portmap = { type: "portmap", path: "/opt/cni/bin/portmap", ours: "no" } as const;

const missing = pluginFacts();
const { path: _, ...nowhere } = missing;

export const CONF_CASES: Readonly<Record<string, ConfCases>> = {
  "UL-C01": {
    holds: [
      {
        conf: conf({ unreadable: "missing network name", plugins: [] }),
        message: "missing network name",
      },
    ],
    not: [conf()],
  },
  "UL-C02": {
    holds: [
      { conf: conf({ plugins: [nowhere] }), message: "no folder has a plugin macvlan" },
      {
        conf: conf({ plugins: [{ ...nowhere, type: "calico", ours: "no" }] }),
        message: "no folder has a plugin calico",
      },
    ],
    not: [conf(), withPlugin(portmap)],
  },
  "UL-C03": {
    holds: [
      {
        conf: withPlugin({ ...portmap, speaks: ["0.4.0", "1.0.0"] }),
        message: "plugin portmap does not support version 1.1.0",
      },
    ],
    not: [conf(), withPlugin(portmap), withPlugin({ ...portmap, speaks: ["1.0.0", "1.1.0"] })],
  },
  "UL-C04": {
    holds: [
      {
        conf: withPlugin({ refusal: 'unknown macvlan mode: "brigde"' }),
        message: 'unknown macvlan mode: "brigde"',
      },
    ],
    not: [conf()],
  },
  "UL-C05": {
    holds: [
      {
        conf: withPlugin({ unavailable: "no IP addresses available in range set: 10.1.2.2-10.1.2.3" }),
        message: "no IP addresses available in range set: 10.1.2.2-10.1.2.3",
      },
    ],
    not: [conf()],
  },
  "UL-C06": {
    holds: [
      {
        conf: withPlugin({ strangeKeys: [{ key: "mastre", nearest: "master" }] }),
        message: "macvlan does not read mastre, did you mean master?",
      },
      {
        conf: withPlugin({ strangeKeys: [{ key: "isGateway" }] }),
        message: "macvlan does not read isGateway",
      },
    ],
    not: [conf()],
  },
  "UL-C07": {
    holds: [
      {
        conf: conf({ versions: { older: "1.1.0", newest: "1.1.0" } }),
        message: "runtimes before 2024 refuse results of version 1.1.0",
      },
    ],
    not: [conf(), conf({ versions: { older: "", newest: "" } })],
  },
};
