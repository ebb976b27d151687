/** The few requests of man(7) that our pages use, with everything else escaped. */

/** Text that means itself: a backslash starts an escape, a bare hyphen may be set as a dash. */
export function text(plain: string): string {
  return plain
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("`", "\\(ga")
    .replaceAll("'", "\\(aq");
}

export const bold = (plain: string): string => `\\fB${text(plain)}\\fR`;
export const italic = (plain: string): string => `\\fI${text(plain)}\\fR`;

/** A line of its own; a dot at its beginning would be a request. */
export const line = (set: string): string => `${set.startsWith(".") ? "\\&" : ""}${set}\n`;

export const paragraph = (plain: string): string => `.PP\n${line(text(plain))}`;
export const section = (title: string, ...body: readonly string[]): string =>
  `.SH ${text(title)}\n${body.join("").replace(/^\.PP\n/, "")}`;
export const subsection = (title: string, ...body: readonly string[]): string =>
  `.SS ${text(title)}\n${body.join("").replace(/^\.PP\n/, "")}`;

/** A term that is set already, and what it means. */
export const item = (term: string, meaning: string): string => `.TP\n${line(term)}${line(text(meaning))}`;

/** Lines that are kept as they are. */
export const verbatim = (lines: readonly string[]): string =>
  `.PP\n.nf\n.RS 4\n${lines.map((each) => line(text(each))).join("")}.RE\n.fi\n`;

export interface Title {
  /** `underlay` */
  readonly name: string;
  readonly part: number;
  readonly version: string;
  /** What the page is about, after the name. */
  readonly about: string;
}

/** A page; its date is left out, because what it says is of its version. */
export function page({ name, part, version, about }: Title, ...sections: readonly string[]): string {
  return [
    `.TH "${text(name.toUpperCase())}" ${part} "" "Underlay ${version}" "Underlay"\n`,
    section("NAME", line(`${text(name)} \\- ${text(about)}`)),
    ...sections,
  ].join("");
}
