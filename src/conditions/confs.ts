import type { ConfFacts, PluginFacts } from "../lib/conf-facts.ts";
import type { Condition, Fix, Judgement, Subject } from "./condition.ts";
import { shellWord } from "./say.ts";

/** What is wrong with a configuration of container runtimes, on this host. None of these refuses a network of Docker's. */

const unreadable: Condition = {
  id: "UL-C01",
  title: "no runtime can read the configuration",
  severity: "fail",
  refuses: false,
  confidence: "certain",
  explain:
    "The file is no JSON object, or lacks what every runtime wants: a name of letters, digits, `_`, `.` and `-`, and at least one " +
    "plugin with a type. Most runtimes refuse all files of a folder when one of them cannot be read.",
  judgeConf(conf) {
    if (conf.unreadable === undefined) return [];
    return [
      {
        subject: subjectOf(conf),
        message: conf.unreadable,
        evidence: [{ source: conf.file, value: "as a runtime reads it" }],
        fix: [editing(conf)],
      },
    ];
  },
};

const absent: Condition = {
  id: "UL-C02",
  title: "a plugin is not there",
  severity: "fail",
  refuses: false,
  confidence: "certain",
  explain:
    "A runtime looks for each plugin by its type in the folders of its own settings, and takes the first file of that name. " +
    "Where none has it, no container gets the network. The folders are those of CNI_PATH or of --bin-dir, and may not be the runtime's.",
  judgeConf: (conf) =>
    each(conf, ({ type, path, ours }) =>
      path !== undefined
        ? undefined
        : {
            message: `no folder has a plugin ${type}`,
            evidence: conf.folders.map((folder) => ({ source: folder, value: "no such file" })),
            fix: [
              ...(ours === "no"
                ? [{ say: `install the package that has ${type}` }]
                : [{ say: "Underlay has it", run: `underlay cni install --plugins ${shellWord(type)}` }]),
              { say: "or name the runtime's folder with --bin-dir" },
            ],
          },
    ),
};

const otherVersion: Condition = {
  id: "UL-C03",
  title: "a plugin does not speak the version",
  severity: "fail",
  refuses: false,
  confidence: "certain",
  explain:
    "A configuration has one version of the protocol, or a list of them, and every plugin of it must speak the one that the " +
    "runtime takes. Podman drops such a network with a warning; others fail when the first container comes.",
  judgeConf: (conf) =>
    each(conf, ({ type, path = "", speaks }) => {
      const wanted = [...new Set(Object.values(conf.versions))];
      const strange = wanted.filter((version) => speaks !== undefined && !speaks.includes(version));
      if (strange.length === 0) return undefined;
      return {
        message: `plugin ${type} does not support version ${strange.join(", ")}`,
        evidence: [
          { source: `VERSION of ${path}`, value: (speaks ?? []).join(" ") || "it cannot be started" },
        ],
        fix: [editing(conf), { say: `or install a newer ${type}` }],
      };
    }),
};

const refused: Condition = {
  id: "UL-C04",
  title: "a plugin refuses its configuration",
  severity: "fail",
  refuses: false,
  confidence: "certain",
  explain:
    "The plugin reads its part of the configuration and finds a key of the wrong type, a value that is none, or something that " +
    "this host has not. The words are the plugin's own, as a runtime would hear them from it.",
  judgeConf: (conf) =>
    each(conf, ({ at, type, refusal }) =>
      refusal === undefined
        ? undefined
        : {
            message: refusal,
            evidence: [{ source: `${at} of ${conf.file}`, value: `read by ${type}` }],
            fix: [editing(conf)],
          },
    ),
};

const unavailable: Condition = {
  id: "UL-C05",
  title: "a plugin can serve nobody now",
  severity: "fail",
  refuses: false,
  confidence: "certain",
  explain:
    "The configuration is right, and yet the next container would get nothing: a pool has no free address, or what the plugin " +
    "depends on is not there yet. Reservations whose containers are gone are given back by the runtime's GC, or by hand.",
  judgeConf: (conf) =>
    each(conf, ({ at, type, unavailable: why }) =>
      why === undefined
        ? undefined
        : {
            message: why,
            evidence: [{ source: `STATUS of ${type}`, value: at }],
            fix: [
              {
                say: "give it what it lacks: a wider range, fewer containers, the program that it depends on",
              },
              editing(conf),
            ],
          },
    ),
};

const strangeKey: Condition = {
  id: "UL-C06",
  title: "nobody reads a key",
  severity: "warn",
  refuses: false,
  confidence: "likely",
  explain:
    "Plugins ignore keys that they do not know, so that a misspelt one has no effect and nobody is told. Keys of other plugins' own " +
    "are not judged, and a key may be meant for the runtime alone.",
  judgeConf: (conf) =>
    conf.plugins.flatMap(({ at, type, strangeKeys }) =>
      strangeKeys.map(({ key, nearest }) => ({
        subject: subjectOf(conf),
        message: `${type} does not read ${key}${nearest === undefined ? "" : `, did you mean ${nearest}?`}`,
        evidence: [{ source: `${at} of ${conf.file}`, value: key }],
        fix: [editing(conf), { say: "all keys are in docs/reference/cni.md" }],
      })),
    ),
};

const newOnly: Condition = {
  id: "UL-C07",
  title: "older runtimes cannot take the version",
  severity: "info",
  refuses: false,
  confidence: "possible",
  explain:
    "Runtimes built with a library before 1.2 of 2024, such as Podman 4.3 and containerd 1.6, start a plugin with version 1.1.0 and then refuse its " +
    "result. With an older `cniVersion` and a `cniVersions` that has 1.1.0 as well, both they and newer ones work.",
  judgeConf(conf) {
    if (conf.unreadable !== undefined || conf.versions.older < "1.1.0") return [];
    return [
      {
        subject: subjectOf(conf),
        message: `runtimes before 2024 refuse results of version ${conf.versions.older}`,
        evidence: [{ source: `cniVersion of ${conf.file}`, value: conf.versions.older }],
        fix: [{ say: 'write "cniVersion": "1.0.0", "cniVersions": ["1.0.0", "1.1.0"]' }],
      },
    ];
  },
};

export const CONF_CONDITIONS: readonly Condition[] = [
  unreadable,
  absent,
  otherVersion,
  refused,
  unavailable,
  strangeKey,
  newOnly,
];

function subjectOf({ file }: ConfFacts): Subject {
  return { kind: "file", name: file };
}

function each(
  conf: ConfFacts,
  judge: (plugin: PluginFacts) => Omit<Judgement, "subject"> | undefined,
): readonly Judgement[] {
  return conf.plugins.flatMap((plugin) => {
    const found = judge(plugin);
    return found ? [{ subject: subjectOf(conf), ...found }] : [];
  });
}

function editing({ file }: ConfFacts): Fix {
  return { say: `edit ${file}` };
}
