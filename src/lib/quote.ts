const MOST = 64;

/** What a stranger wrote, safe inside one line of a message: in double quotes, control characters escaped, cut when long. */
export function quote(text: string): string {
  const cut = text.length > MOST ? `${text.slice(0, MOST)}…` : text;
  return JSON.stringify(cut).replace(/[\u007f-\u009f\u2028\u2029]/g, "?");
}

/** The same, but a plain word stays as it is. */
export function word(text: string): string {
  return /^[\w.:@-]{1,64}$/.test(text) ? text : quote(text);
}

/**
 * One word of a shell's command line that means this text. Control characters are written as bash, zsh and ksh read
 * them (`$'\\033'`), so that printing the command is harmless; a text without them is quoted as POSIX sh has it.
 */
export function shellWord(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  if (!/[\p{Cc}\u2028\u2029]/u.test(text)) return `'${text.replaceAll("'", `'\\''`)}'`;
  const escaped = text.replace(/[\\']|[\p{Cc}\u2028\u2029]/gu, (one) =>
    /[\\']/.test(one) ? `\\${one}` : bytesOf(one),
  );
  return `$'${escaped}'`;
}

function bytesOf(character: string): string {
  return [...new TextEncoder().encode(character)]
    .map((byte) => `\\${byte.toString(8).padStart(3, "0")}`)
    .join("");
}
