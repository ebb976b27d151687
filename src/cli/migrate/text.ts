import { clean, type Paint, type Style, tableOf } from "../table.ts";
import type { Migration } from "./body.ts";

/** What is to be done, as lines that a shell takes; all else is comment. */
export function planText(migrations: readonly Migration[]): string {
  if (migrations.length === 0) return "# nothing to move\n";
  return migrations.map((each) => `${planLines(each).join("\n")}\n`).join("\n");
}

/** Whether its commands may be pasted as they are. */
const RUNNABLE: readonly Migration["status"][] = ["ready", "in_use", "interrupted"];

const HEADS: Readonly<Partial<Record<Migration["status"], string>>> = {
  ready: "no container uses it",
  in_use: "its containers lose it for a moment",
  refused: "would be refused",
  by_hand: "to be moved by hand",
  interrupted: "`underlay migrate docker --apply` goes on, or",
};

function planLines({ name, from, to, status, reasons, notes, commands, restore }: Migration): string[] {
  const comment = (text: string) => `# ${clean(text)}`;
  if (status === "already") return [comment(`${name}: is of ${to} already`)];
  const isRunnable = RUNNABLE.includes(status);
  return [
    comment(`${name}: from ${from} to ${to}, ${HEADS[status] ?? status}`),
    ...reasons.map(comment),
    ...notes.map((note) => comment(`note: ${note}`)),
    ...commands.map((command) => (isRunnable ? command : comment(command))),
    ...(isRunnable ? [comment(`to have the old one again: ${restore}`)] : []),
  ];
}

const STYLES: Readonly<Partial<Record<Migration["status"], Style>>> = {
  moved: "green",
  already: "green",
  failed: "red",
  lost: "red",
};

/** What came of it, and how to restore what is gone. */
export function outcomeText(migrations: readonly Migration[], paint: Paint): string {
  if (migrations.length === 0) return "nothing to move\n";
  const columns = [
    {
      head: "DONE",
      cell: ({ status }: Migration) => ({
        text: status.replace("_", " "),
        style: STYLES[status] ?? "yellow",
      }),
    },
    { head: "NETWORK", cell: ({ name }: Migration) => name },
    { head: "FROM", cell: ({ from }: Migration) => from },
    { head: "TO", cell: ({ to }: Migration) => to },
    { head: "WHY", cell: ({ reasons }: Migration) => reasons.join("; ") },
  ];
  const lost = migrations
    .filter(({ status }) => status === "lost")
    .map(
      ({ name, restore }) =>
        `\n${clean(name)} may be gone: run this again, which goes on, or make it as it was:\n${restore}\n`,
    );
  return tableOf(columns, migrations, { paint, heading: true }) + lost.join("");
}
