import { join } from "node:path";
import { captureOpenflow } from "./golden/openflow.ts";

/**
 * Writes `src/openflow/openflow.golden.ts`: OpenFlow messages of ovs-ofctl and ovs-vswitchd of the oldest Debian, byte for
 * byte. Needs root. `bun tools/capture-openflow.ts`; the test that captures them again is in test/live.
 */

const { version, captured } = await captureOpenflow("oldest");
const entries = captured.map(({ name, command, direction, messages }) => {
  const hex = messages.map((text) => `      "${(text.match(/.{1,96}/g) ?? []).join('" +\n        "')}",\n`);
  return (
    `  ${name}: {\n    command:\n      ${JSON.stringify(command)},\n` +
    `    ${direction}: [\n${hex.join("")}    ],\n  },\n`
  );
});
const text = [
  `/**\n * Captured by tools/capture-openflow.ts between ovs-ofctl and ovs-vswitchd: ${version}.\n`,
  " * Do not edit. Transaction ids and durations are zeroed.\n */\n",
  `export const openflowGolden = {\n${entries.join("")}} as const;\n`,
].join("");
const path = join(import.meta.dir, "../src/openflow/openflow.golden.ts");
await Bun.write(path, text);
Bun.spawnSync(["node_modules/.bin/biome", "format", "--write", path]);
