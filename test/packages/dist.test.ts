import { beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { version } from "../../package.json";
import { ARCHITECTURES, stage, tarballName, writeTar } from "../../tools/dist.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import type { PrivateHost } from "../ground/host.ts";
import { startPackagingHost } from "../ground/packaging.ts";
import { must } from "../ground/run.ts";

/** What `make dist` makes: its contents, that it is made the same twice, and that it runs, also on an old CPU. */

const things = disposedAfterAll();
const REPOSITORY = resolve(import.meta.dir, "../..");
const tarball = (arch: (typeof ARCHITECTURES)[number]) =>
  join(REPOSITORY, "dist", `${tarballName(arch)}.tar.gz`);
const UNPACKED = `/tmp/${tarballName("x64")}`;
let host: PrivateHost;

beforeAll(async () => {
  // Nothing to do when they are newer than the source.
  await must(["make", "-C", REPOSITORY, "dist"], { timeoutMs: 300_000 });
  host = things.use(await startPackagingHost());
  await host.must(["tar", "-xzf", `/opt/underlay/${basename(tarball("x64"))}`, "-C", "/tmp"]);
}, 600_000);

const CONTENTS = [
  ...["LICENSE", "README.md", "underlay", "man/underlay.8", "man/underlay-doctor.8", "man/underlay.toml.5"],
  ...["systemd/underlay.service", "modules-load.d/underlay.conf", "NetworkManager/90-underlay.conf"],
  ...["systemd-networkd/10-underlay.network", "systemd-networkd/10-underlay.link", "udev/90-underlay.rules"],
  ...["completions/underlay.bash", "completions/_underlay", "completions/underlay.fish"],
];

/** e_machine of the ELF header, and the class in its fifth byte; `<elf.h>`. */
const MACHINES = { x64: 62, arm64: 183 } as const;

describe.each([...ARCHITECTURES])("%s", (arch) => {
  test("has the hash that its file says", async () => {
    const [hash, name] = readFileSync(`${tarball(arch)}.sha256`, "utf8")
      .trim()
      .split("  ");
    expect(name).toBe(basename(tarball(arch)));
    expect(new Bun.CryptoHasher("sha256").update(readFileSync(tarball(arch))).digest("hex")).toBe(hash ?? "");
  });

  test("has everything in one folder, sorted, of nobody in particular", async () => {
    const lines = (await must(["tar", "--numeric-owner", "-tvzf", tarball(arch)])).split("\n");
    const entries = lines.map((line) => line.trim().split(/\s+/));
    const names = entries.map((columns) => columns.at(-1) ?? "");
    expect(names.filter((name) => !name.startsWith(`${tarballName(arch)}/`))).toEqual([]);
    expect(names).toEqual(expect.arrayContaining(CONTENTS.map((name) => `${tarballName(arch)}/${name}`)));
    expect([...new Set(entries.map(([, owner]) => owner))]).toEqual(["0/0"]);
    expect(new Set(entries.map(([, , , date, time]) => `${date} ${time}`)).size).toBe(1);
    const modes = entries
      .filter(([mode]) => mode?.startsWith("-"))
      .map(([mode, ...rest]) => [mode, basename(rest.at(-1) ?? "")]);
    expect(modes.filter(([mode]) => mode !== "-rw-r--r--")).toEqual([["-rwxr-xr-x", "underlay"]]);
  });

  test("has a program for that machine", async () => {
    const head = await new Response(
      Bun.spawn(["sh", "-c", `tar -xOzf '${tarball(arch)}' ${tarballName(arch)}/underlay | head -c 64`])
        .stdout,
    ).bytes();
    expect([...head.subarray(0, 5)]).toEqual([0x7f, 0x45, 0x4c, 0x46, 2]);
    expect(new DataView(head.buffer, head.byteOffset).getUint16(18, true)).toBe(MACHINES[arch]);
  });
});

/** mtime of the first ustar header; the commit may be a newer one by now. */
async function timeIn(path: string): Promise<string> {
  const header = await must(["sh", "-c", `gzip -dc '${path}' | dd bs=1 skip=136 count=11 status=none`]);
  return String(Number.parseInt(header, 8));
}

test("the same source makes the same bytes", async () => {
  const folder = mkdtempSync(join(tmpdir(), "underlay-again-"));
  try {
    await writeTar(folder, await stage(folder, "x64"), join(folder, "tar"), await timeIn(tarball("x64")));
    await must(["sh", "-euc", `gzip -dc '${tarball("x64")}' | cmp - '${folder}/tar'`]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);

describe("unpacked", () => {
  test("the program installs itself below a root, with the same files that lie beside it", async () => {
    await host.must(["mkdir", "/tmp/root"]);
    await host.must([`${UNPACKED}/underlay`, "install", "--root", "/tmp/root"]);
    expect(await host.must(["/tmp/root/usr/local/bin/underlay", "version"])).toContain(version);
    const pairs = [
      ["systemd/underlay.service", "etc/systemd/system/underlay.service"],
      ["man/underlay.8", "usr/local/share/man/man8/underlay.8"],
      ["completions/underlay.bash", "usr/local/share/bash-completion/completions/underlay"],
    ];
    for (const [packed, installed] of pairs)
      await host.must(["cmp", `${UNPACKED}/${packed}`, `/tmp/root/${installed}`]);
    await host.must(["/tmp/root/usr/local/bin/underlay", "uninstall", "--root", "/tmp/root"]);
    expect(await host.must(["find", "/tmp/root"])).toBe("/tmp/root");
  });

  test("the README's line does it, as it stands there", async () => {
    const readme = readFileSync(join(REPOSITORY, "README.md"), "utf8");
    const line = /^sha256sum -c .*$/m.exec(readme)?.[0] ?? "exit 9";
    const files = ["tar.gz", "tar.gz.sha256"]
      .map((end) => `/opt/underlay/${tarballName("x64")}.${end}`)
      .join(" ");
    const script = `mkdir /tmp/readme; cd /tmp/readme; cp ${files} .; sudo() { "$@"; }; ${line}`;
    expect(await host.must(["bash", "-euc", script])).toContain("made      /usr/local/bin/underlay");
    expect(await host.must(["underlay", "version"])).toContain(version);
    await host.must(["underlay", "uninstall"]);
  });

  test("the program runs on a CPU of 2008, without AVX", async () => {
    const emulated = ["qemu-x86_64", "-cpu", "Nehalem"];
    expect(
      await host.must([...emulated, `${UNPACKED}/underlay`, "version"], { timeoutMs: 60_000 }),
    ).toContain(version);
  });
});
