/** Figures of a bench: a line each for people, and one JSON document for programs. */

export interface Figure {
  readonly what: string;
  readonly ours: number;
  readonly unit: "ms" | "MB" | "count" | "ratio";
  /** The peer or floor in the same run; absent for a figure that stands alone. */
  readonly peer?: { readonly name: string; readonly value: number };
  /** What it must not exceed: the ratio to the peer, or the figure itself where there is none. */
  readonly limit?: number;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which that share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

export function line(figure: Figure): string {
  const { what, ours, unit, peer, limit } = figure;
  const value = (number: number) =>
    `${number.toFixed(unit === "count" ? 0 : 2)}${unit === "ratio" ? "" : ` ${unit}`}`;
  const judged = judge(figure);
  const verdict = limit === undefined ? "" : judged <= limit ? `  within ${limit}` : `  MISSED ${limit}`;
  const beside = peer ? `  ${peer.name} ${value(peer.value)}  ratio ${judged.toFixed(2)}` : "";
  return `${what.padEnd(52)} ${value(ours).padStart(12)}${beside}${verdict}`;
}

/** What is compared with the limit. */
export function judge({ ours, peer }: Figure): number {
  return peer ? ours / peer.value : ours;
}

/** `bench/NAME.json` in the folder named by UNDERLAY_BENCH_OUT, when it is set. */
export async function report(name: string, figures: readonly Figure[]): Promise<void> {
  for (const figure of figures) process.stdout.write(`${line(figure)}\n`);
  const folder = process.env["UNDERLAY_BENCH_OUT"];
  if (folder) await Bun.write(`${folder}/${name}.json`, `${JSON.stringify({ name, figures }, null, 2)}\n`);
}
