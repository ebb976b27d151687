/** Durations as people write them: `60s`, `1m30s`, `500ms`. */

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const PARTS = /(\d+(?:\.\d+)?)(ms|s|m|h)/g;
const WHOLE = /^(?:\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h))+$/;

/** Milliseconds; undefined when the text is no duration. A number without a unit is none. */
export function parseDuration(text: string): number | undefined {
  if (!WHOLE.test(text)) return undefined;
  let milliseconds = 0;
  for (const [, number, unit = ""] of text.matchAll(PARTS))
    milliseconds += Number(number) * (UNITS[unit] ?? 0);
  return milliseconds;
}

/** How long ago, in the one or two units that matter: `12s`, `5m`, `3h20m`, `2d4h`. */
export function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [minutes, hours, days] = [seconds / 60, seconds / 3600, seconds / 86_400].map(Math.floor);
  const two = (big = 0, bigUnit: string, small: number, smallUnit: string) =>
    `${big}${bigUnit}${small === 0 ? "" : `${small}${smallUnit}`}`;
  if (!minutes) return `${seconds}s`;
  if (!hours) return two(minutes, "m", minutes < 10 ? seconds % 60 : 0, "s");
  if (!days) return two(hours, "h", minutes % 60, "m");
  return two(days, "d", hours % 24, "h");
}
