/**
 * What JSON can hold, as YAML in blocks. Words of YAML 1.1 count as well, by which many programs still read: there `no`
 * is false, 2026-01-01 a date and the MAC address 12:34:56:12:34:56 a number. What could be taken for anything but
 * itself is quoted.
 */
export function yamlOf(value: unknown): string {
  return `${lines(value).join("\n")}\n`;
}

function lines(value: unknown): string[] {
  if (Array.isArray(value) && value.length > 0) {
    return value.flatMap((item: unknown) => {
      const [first = "", ...rest] = lines(item);
      return [`- ${first}`, ...rest.map(indented)];
    });
  }
  const entries = entriesOf(value);
  if (entries.length === 0) return [scalar(value)];
  return entries.flatMap(([key, item]) => {
    const name = `${text(key)}:`;
    return isNested(item) ? [name, ...lines(item).map(indented)] : [`${name} ${scalar(item)}`];
  });
}

const indented = (line: string) => `  ${line}`;

/** As JSON.stringify: what is undefined is not there. */
function entriesOf(value: unknown): [string, unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  return Object.entries(value).filter(([, item]) => item !== undefined);
}

function isNested(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : entriesOf(value).length > 0;
}

function scalar(value: unknown): string {
  if (typeof value === "string") return text(value);
  if (Array.isArray(value)) return "[]";
  return typeof value === "object" && value !== null ? "{}" : (JSON.stringify(value) ?? "null");
}

/** yaml.org/type: bool and null, of 1.1. */
const RESERVED = /^(y|n|yes|no|on|off|true|false|null)$/i;

/** A double quoted scalar has the escapes of JSON; line breaks and control characters of Unicode are escaped too. */
function text(plain: string): string {
  if (/^[A-Za-z][\w./-]*$/.test(plain) && !RESERVED.test(plain)) return plain;
  return JSON.stringify(plain).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
