/**
 * Reads a guide so that a test can do what it says. Of the fenced blocks
 *
 * - `sh` is run, each command on its own, where a line that ends in a backslash goes on. Words after `sh` are marks:
 *   `newest` for what the oldest dockerd cannot do, `fails` for a block whose last command has to fail. A first line
 *   `# on NAME` is for the reader, too: on which of several machines the block is typed;
 * - `text` or `console` right after it is what the last command prints, where `…` stands for anything;
 * - `yaml NAME` or `json NAME` is a file of that name in the reader's folder;
 * - one without a language is a picture.
 */

export interface Command {
  /** Line of the guide it begins on, from 1. */
  readonly line: number;
  readonly text: string;
}

export interface CommandBlock {
  readonly kind: "commands";
  readonly line: number;
  /** The heading it stands under. */
  readonly section: string;
  readonly newest: boolean;
  readonly fails: boolean;
  /** Where it is typed, when there are several machines. */
  readonly machine?: string;
  readonly commands: readonly Command[];
  readonly prints?: { readonly line: number; readonly text: string };
}

export interface FileBlock {
  readonly kind: "file";
  readonly line: number;
  readonly section: string;
  readonly name: string;
  readonly text: string;
}

export type GuideBlock = CommandBlock | FileBlock;

interface Fence {
  readonly line: number;
  readonly section: string;
  readonly words: readonly string[];
  readonly lines: readonly string[];
}

/** The blocks of a guide in their order. Throws with the line for a fence that nothing would be done with. */
export function readGuide(text: string): GuideBlock[] {
  const blocks: GuideBlock[] = [];
  for (const fence of fencesOf(text)) {
    const [language, ...marks] = fence.words;
    const { line, section, lines } = fence;
    if (language === undefined) continue;
    if (language === "sh") {
      const unknown = marks.filter((mark) => mark !== "newest" && mark !== "fails");
      if (unknown.length > 0) throw new Error(`line ${line}: unknown mark ${unknown.join(" ")}`);
      const [newest, fails] = [marks.includes("newest"), marks.includes("fails")];
      const machine = /^# on (\S+)$/.exec(lines[0] ?? "")?.[1];
      blocks.push({
        ...{ kind: "commands", line, section, newest, fails },
        ...(machine !== undefined && { machine }),
        commands: commandsOf(lines, line + 1),
      });
    } else if (language === "text" || language === "console") {
      const last = blocks.at(-1);
      if (last?.kind !== "commands" || last.prints !== undefined)
        throw new Error(`line ${line}: no command prints this`);
      blocks[blocks.length - 1] = { ...last, prints: { line, text: lines.join("\n") } };
    } else if ((language === "yaml" || language === "json") && marks.length === 1) {
      blocks.push({ kind: "file", line, section, name: marks[0] ?? "", text: `${lines.join("\n")}\n` });
    } else throw new Error(`line ${line}: nobody tests a block of ${fence.words.join(" ")}`);
  }
  return blocks;
}

function fencesOf(text: string): Fence[] {
  const fences: Fence[] = [];
  let section = "";
  let open: { line: number; section: string; words: string[]; lines: string[] } | undefined;
  for (const [index, row] of text.split("\n").entries()) {
    const fence = /^```(.*)$/.exec(row);
    if (open === undefined) {
      section = /^#+ (.*)$/.exec(row)?.[1] ?? section;
      if (fence === null) continue;
      const words = (fence[1] ?? "").split(/\s+/).filter((word) => word !== "");
      open = { line: index + 1, section, words, lines: [] };
    } else if (fence === null) open.lines.push(row);
    else {
      fences.push(open);
      open = undefined;
    }
  }
  if (open !== undefined) throw new Error(`line ${open.line}: the block does not end`);
  return fences;
}

function commandsOf(lines: readonly string[], firstLine: number): Command[] {
  const commands: Command[] = [];
  let parts: string[] = [];
  for (const [index, row] of lines.entries()) {
    if (parts.length === 0 && /^\s*(#|$)/.test(row)) continue;
    parts.push(row);
    if (row.endsWith("\\")) continue;
    commands.push({ line: firstLine + index + 1 - parts.length, text: parts.join("\n") });
    parts = [];
  }
  if (parts.length > 0) throw new Error(`line ${firstLine + lines.length}: a command ends in a backslash`);
  return commands;
}

/** Runs one command; its standard output is all that a reader sees of it. */
export type Typist = (command: string) => Promise<{ readonly code: number; readonly stdout: string }>;

/** Does what a block says; throws with the guide's name and line of what is not as the guide has it. */
export async function followGuide(guide: string, block: CommandBlock, type: Typist): Promise<void> {
  const { commands, fails, prints } = block;
  const last = commands.at(-1);
  for (const command of commands) {
    const { line, text } = command;
    const { code, stdout } = await type(text);
    const mayFail = fails && command === last;
    if ((code !== 0) !== mayFail) throw new Error(`${guide}:${line}: exit ${code}: ${text}\n${stdout}`);
    if (command === last && prints !== undefined && !isWhatTheGuideShows(prints.text, stdout))
      throw new Error(`${guide}:${prints.line}: shown:\n${prints.text}\nprinted by ${text}:\n${stdout}`);
  }
}

/** Whether a program printed what a guide shows: `…` is anything, and the width of columns does not matter. */
export function isWhatTheGuideShows(shown: string, printed: string): boolean {
  const plain = (text: string) =>
    text
      .split(/\r?\n/)
      .map((line) => line.trim().replace(/\s+/g, " "))
      .join("\n")
      .trim();
  const pattern = plain(shown)
    .split("…")
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("[^]*?");
  return new RegExp(`^${pattern}$`).test(plain(printed));
}
