/** Columns of text for people. */

export type Style = "bold" | "dim" | "red" | "yellow" | "green";

/** Paints text, or leaves it. */
export type Paint = (style: Style, text: string) => string;

/** SGR codes of ECMA-48 section 8.3.117. */
const SGR: Readonly<Record<Style, number>> = { bold: 1, dim: 2, red: 31, yellow: 33, green: 32 };

export const plain: Paint = (_, text) => text;
export const coloured: Paint = (style, text) => `\u001b[${SGR[style]}m${text}\u001b[0m`;

/** A cell; its meaning is in the words, colour only repeats it. */
export type Cell = string | { readonly text: string; readonly style: Style };

export interface Column<Item> {
  readonly head: string;
  readonly cell: (item: Item) => Cell;
  /** Shown with `-o wide` only. */
  readonly wide?: true;
}

export function tableOf<Item>(
  columns: readonly Column<Item>[],
  items: readonly Item[],
  { paint, heading }: { readonly paint: Paint; readonly heading: boolean },
): string {
  const head = columns.map((column): Cell => ({ text: column.head, style: "bold" }));
  const rows = [
    ...(heading ? [head.map(measured)] : []),
    ...items.map((item) => columns.map((column) => measured(column.cell(item)))),
  ];
  const widths = columns.map((_, i) => rows.reduce((most, row) => Math.max(most, row[i]?.width ?? 0), 0));
  return rows.map((row) => `${lineOf(row, widths, paint)}\n`).join("");
}

/** `name  value` lines, names in one column. */
export function pairsOf(pairs: readonly (readonly [string, Cell])[], paint: Paint): string {
  const width = Math.max(0, ...pairs.map(([name]) => name.length));
  return pairs
    .map(([name, cell]) => `${lineOf([measured(name), measured(cell)], [width], paint)}\n`)
    .join("");
}

/** Names and options come from strangers: their control characters must not reach the terminal. */
export function clean(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, "?");
}

/** A cell as it is printed. Lists have thousands: each is cleaned and measured once. */
interface Measured {
  readonly text: string;
  readonly style: Style | undefined;
  readonly width: number;
}

/** Most cells: every character is one column wide, and none is a control character. */
const PLAIN_ASCII = /^[\x20-\x7e]*$/;

function measured(cell: Cell): Measured {
  const [raw, style] = typeof cell === "string" ? [cell, undefined] : [cell.text, cell.style];
  if (PLAIN_ASCII.test(raw)) return { text: raw, style, width: raw.length };
  const text = clean(raw);
  return { text, style, width: Bun.stringWidth(text) };
}

function lineOf(row: readonly Measured[], widths: readonly number[], paint: Paint): string {
  const cells = row.map(({ text, style, width }, i) => {
    const padding = i === row.length - 1 ? 0 : (widths[i] ?? 0) - width;
    return (style === undefined ? text : paint(style, text)) + " ".repeat(Math.max(0, padding));
  });
  return cells.join("  ").trimEnd();
}
