import { clean, type Paint, pairsOf } from "../table.ts";
import { findingLines } from "../verbs/findings.ts";
import type { Checked } from "./check.ts";

/** What a file would do on this host, for people. */
export function checkText(checked: Checked, paint: Paint): string {
  const { file, name, versions, plugins, findings } = checked;
  const head = name === null ? file : `${name} (${file})`;
  const count = (severity: string) => findings.filter((finding) => finding.severity === severity).length;
  const lines =
    name === null
      ? []
      : [
          pairsOf([["versions", versionWords(versions)]], paint),
          ...plugins.map((one) => `${pluginText(one)}\n`),
        ];
  const found = findings.length === 0 ? "" : `\n${findingLines(findings, paint)}`;
  return `${clean(head)}\n${lines.map(clean1).join("")}${found}\n${count("fail")} fail, ${count("warn")} warn, ${count("info")} info\n`;
}

const clean1 = (text: string) => text.replace(/[^\n]+/g, clean);

function versionWords({ older, newest }: Checked["versions"]): string {
  const named = (version: string) => version || "0.1.0 (none is written)";
  return older === newest ? named(older) : `${named(newest)}; runtimes of before 2024 take ${named(older)}`;
}

const OURS = { yes: "", "could be": ", not Underlay's", no: "" } as const;

function pluginText({ at, type, path, ours, link, pool }: Checked["plugins"][number]): string {
  const where = path === null ? "not found" : `${path}${OURS[ours]}`;
  return [
    `${at}  ${type} (${where})`,
    ...(link ? [`  makes ${link.kind}${modeWords(link)}${parentWords(link)}`] : []),
    ...(pool
      ? [
          `  gives addresses of ${pool.ranges.join(" and ")}; ${pool.taken ?? "nobody knows how many"} taken in ${pool.folder}`,
        ]
      : []),
  ].join("\n");
}

type LinkBody = NonNullable<Checked["plugins"][number]["link"]>;

function modeWords({ mode, mtu }: LinkBody): string {
  return `${mode === null ? "" : ` in mode ${mode}`}${mtu === null ? "" : `, mtu ${mtu}`}`;
}

function parentWords({ parent, in_container }: LinkBody): string {
  if (parent === null) return "";
  const named = parent === "auto" ? "the link of the default route" : parent;
  return ` on ${named}${in_container ? " in the container" : ""}`;
}
