import { SCHEMA_VERSION } from "../../store/schema.ts";
import { EXIT } from "../exit.ts";
import { formatOf, jsonOf, ONE_FORMATS } from "../output.ts";
import type { Call, Verb } from "../verb.ts";
import { VERSION } from "../version.ts";

async function version({ given, io }: Call): Promise<number> {
  const format = formatOf(given, ONE_FORMATS);
  const body = {
    schema: "underlay.version/v1",
    version: VERSION,
    bun: Bun.version,
    store_schema: SCHEMA_VERSION,
    libc: "glibc",
    arch: process.arch,
  };
  io.stdout(
    jsonOf(format, body) ?? `underlay ${VERSION} (store schema ${SCHEMA_VERSION}, bun ${Bun.version})\n`,
  );
  return EXIT.done;
}

/** `underlay version`: what a bug report needs first. */
export const versionVerbs: readonly Verb[] = [
  {
    words: "version",
    flags: ["output"],
    help: "show the version of this program and of what it keeps",
    run: version,
  },
];
