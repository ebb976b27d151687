import type { Body } from "../../daemon/api.ts";
import { clean } from "../table.ts";

type Migration = Body<"underlay.cni-migrate/v1">;

const VERDICTS: Readonly<Record<Migration["files"][number]["taken_over"], string>> = {
  yes: "all of it is served by Underlay then",
  partly: "served by Underlay and others together",
  no: "stays with other plugins",
  unreadable: "no runtime reads it",
};

/** What would become of each file, and what to type for that; the rest is a comment, so that all can be pasted. */
export function migrateText({ bin_dir, files, commands }: Migration): string {
  const told = files.map(({ file, name, taken_over, ours, others, problem }) =>
    [
      `${file}${name === null ? "" : `  ${name}`}: ${VERDICTS[taken_over]}`,
      ...(ours.length > 0 ? [`  Underlay  ${ours.join(", ")}`] : []),
      ...(others.length > 0 ? [`  others    ${others.join(", ")}`] : []),
      ...(problem === null ? [] : [`  problem   ${problem}`]),
    ]
      .map((line) => `${clean(line)}\n`)
      .join(""),
  );
  if (commands.length === 0) return `${told.join("")}nothing to take over\n`;
  const notes = [
    "# What has these names now is kept aside; reservations of host-local are taken over as they are.",
    `# The way back: underlay cni uninstall --bin-dir ${bin_dir}`,
  ];
  return `${told.join("")}\n${[...notes, ...commands].map((line) => `${clean(line)}\n`).join("")}`;
}
