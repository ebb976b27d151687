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
