import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { version } from "../package.json";
import { generatedFiles } from "../src/cli/verbs/install.ts";
import { VERBS } from "../src/cli/verbs.ts";
import { DEFAULT_PREFIX, installFiles } from "../src/install/files.ts";

/**
 * `make dist`: tarballs and their SHA-256. The same source gives the same bytes, whoever makes them and where:
 * sorted names, no owner, one time for all, which is that of the commit (or SOURCE_DATE_EPOCH).
 */

export const ARCHITECTURES = ["x64", "arm64"] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

const REPOSITORY = join(import.meta.dir, "..");

/** What a reader of the README finds through its links. */
const READING = ["LICENSE", "README.md", "CONTRIBUTING.md", "docs"];

export const tarballName = (arch: Architecture): string => `underlay-${version}-linux-${arch}`;

/** Fills a folder with what the tarball has in it; answers the folder's name inside. */
export async function stage(folder: string, arch: Architecture): Promise<string> {
  const name = tarballName(arch);
  const top = join(folder, name);
  mkdirSync(top, { recursive: true });
  await must(["tools/build.sh", join(top, "underlay"), arch]);
  for (const part of READING) cpSync(join(REPOSITORY, part), join(top, part), { recursive: true });
  for (const { packed, text } of installFiles(DEFAULT_PREFIX, generatedFiles(VERBS))) {
    mkdirSync(dirname(join(top, packed)), { recursive: true });
    writeFileSync(join(top, packed), text);
  }
  await must(["chmod", "-R", "u=rwX,go=rX", top]);
  chmodSync(join(top, "underlay"), 0o755);
  return name;
}

/** GNU tar with everything fixed that differs between two machines. `time`: of all files, in seconds since 1970. */
export async function writeTar(folder: string, name: string, file: string, time: string): Promise<void> {
  const fixed = ["--sort=name", `--mtime=@${time}`, "--owner=0", "--group=0", "--numeric-owner"];
  await must(["tar", "--format=ustar", ...fixed, "-C", folder, "-cf", file, name]);
}

/** Seconds since 1970. */
async function sourceTime(): Promise<string> {
  const told = process.env["SOURCE_DATE_EPOCH"];
  if (told) return told;
  return (await must(["git", "log", "-1", "--format=%ct"])).trim();
}

async function must(argv: readonly string[]): Promise<string> {
  const child = Bun.spawn([...argv], { cwd: REPOSITORY, stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`exit ${code}: ${argv.join(" ")}\n${err}${out}`);
  return out;
}

/** Writes FOLDER/NAME.tar.gz and its .sha256, the latter last. */
async function pack(arch: Architecture, folder: string): Promise<string> {
  const work = mkdtempSync(join(tmpdir(), "underlay-dist-"));
  try {
    const name = await stage(work, arch);
    await writeTar(work, name, join(work, "tar"), await sourceTime());
    // -n: neither the name nor the time of the file that is compressed.
    await must(["gzip", "-6n", join(work, "tar")]);
    const file = `${name}.tar.gz`;
    const hash = new Bun.CryptoHasher("sha256").update(readFileSync(join(work, "tar.gz"))).digest("hex");
    mkdirSync(folder, { recursive: true });
    cpSync(join(work, "tar.gz"), join(folder, `${file}.new`));
    renameSync(join(folder, `${file}.new`), join(folder, file));
    writeFileSync(join(folder, `${file}.sha256`), `${hash}  ${file}\n`);
    return `${hash}  ${join(folder, file)}\n`;
  } finally {
    rmSync(work, { recursive: true });
  }
}

if (import.meta.main) {
  const lines = await Promise.all(ARCHITECTURES.map((arch) => pack(arch, join(REPOSITORY, "dist"))));
  process.stdout.write(lines.join(""));
}
