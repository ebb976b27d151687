import { join } from "node:path";
import { capture } from "./golden/capture.ts";
import { CASES, type Case } from "./golden/cases.ts";
import { type Program, programOf } from "./golden/programs.ts";

/**
 * Writes `src/netlink/*.golden.ts`: netlink messages of `ip`, `bridge`, `nft`, `ethtool` and of the kernel, byte for byte. Needs root, strace
 * and iproute2. `bun tools/capture-golden.ts [FILE…]`; with `--check` it writes nothing and fails when a request that `ip`
 * sends now differs from the one in the file.
 */

const folder = join(import.meta.dir, "../src/netlink");

function machine(programs: ReadonlySet<string>): string {
  const say = (...command: string[]) => Bun.spawnSync(command).stdout.toString().trim();
  const kernel = say("uname", "-r").split("-")[0];
  const version = (program: Program, ...options: string[]) =>
    say(...programOf(program).split(" "), ...options);
  const program = programs.has("nft")
    ? version("nft", "--version").replace(/^(nft)ables v([\d.]+).*/, "$1 $2")
    : programs.has("ethtool")
      ? version("ethtool", "--version").replace(/^(ethtool) version /, "$1 ")
      : version("ip", "-V")
          .replace(/^.*iproute2-/, "iproute2 ")
          .replace(/,.*/, "");
  return `Linux ${kernel}, ${say("uname", "-m")}, ${program}`;
}

function entry(wanted: Case, messages: readonly Uint8Array[]): string {
  const { program = "ip" } = wanted;
  const steps = [...(wanted.before ?? []), wanted.command, ...(wanted.meanwhile ? [wanted.meanwhile] : [])];
  const hex = messages.map((message) => Buffer.from(message).toString("hex"));
  const lines = hex.map((text) => `      "${(text.match(/.{1,96}/g) ?? []).join('" +\n        "')}",\n`);
  return [
    `  ${wanted.name}: {\n`,
    `    command: ${JSON.stringify(steps.map((step) => `${program} ${step}`).join("; "))},\n`,
    `    ${wanted.take.direction}: [\n${lines.join("")}    ],\n  },\n`,
  ].join("");
}

function fileOf(name: string, cases: readonly Case[]): string {
  const entries = cases.map((wanted) => {
    const messages = capture(wanted);
    if (messages.length === 0)
      throw new Error(`${wanted.program ?? "ip"} ${wanted.command}: no such message passed`);
    return entry(wanted, messages);
  });
  const programs = new Set(cases.map(({ program = "ip" }) => program));
  return [
    `/**\n * Captured by tools/capture-golden.ts from \`${[...programs].join("`, `")}\` and the kernel, on ${machine(programs)}.\n`,
    " * Do not edit. Sequence and port numbers are zeroed.\n */\n",
    `export const ${name}Golden = {\n${entries.join("")}} as const;\n`,
  ].join("");
}

/** Replies carry times and counters; requests must come out the same. */
function requestsOf(file: string): string[] {
  return [...file.matchAll(/\bsent: \[[^\]]*\]/g)].map(([text]) => text.replace(/[\s+",]/g, ""));
}

const check = Bun.argv.includes("--check");
const only = Bun.argv.slice(2).filter((argument) => !argument.startsWith("--"));
let differ = false;
for (const [name, cases] of Object.entries(CASES)) {
  if (only.length > 0 && !only.includes(name)) continue;
  const path = join(folder, `${name}.golden.ts`);
  const text = fileOf(name, cases);
  if (!check) await Bun.write(path, text);
  else if (!Bun.deepEquals(requestsOf(text), requestsOf(await Bun.file(path).text()))) {
    differ = true;
    process.stderr.write(`${path}: the requests of this ip differ\n`);
  }
}
process.exitCode = differ ? 1 : 0;
