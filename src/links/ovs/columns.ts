/** Whether a row that was read has all that was to be written, and may have more. Sets have no order, maps no extra keys. */
export function hasColumns(row: object, written: object): boolean {
  const read = new Map<string, unknown>(Object.entries(row));
  return Object.entries(written).every(([name, value]) => plain(read.get(name)) === plain(value));
}

function plain(value: unknown): string {
  if (value instanceof Map) return pairs([...value]);
  if (Array.isArray(value)) return JSON.stringify(value.map(String).toSorted());
  if (typeof value === "object" && value !== null) return pairs(Object.entries(value));
  return JSON.stringify(typeof value === "bigint" ? Number(value) : value) ?? "";
}

function pairs(all: readonly (readonly [unknown, unknown])[]): string {
  return JSON.stringify(all.map(([key, value]) => [String(key), value]).toSorted());
}
