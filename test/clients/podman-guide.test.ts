import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { KINDS } from "../../src/netavark/kinds.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { followGuide, readGuide } from "../ground/guide.ts";
import { plugInEth0 } from "../ground/guide-host.ts";
import type { PrivateHost } from "../ground/host.ts";
import { type Backend, PODMAN_IMAGE, startPodman, startPodmanHost } from "../ground/podman.ts";

/** The guide is done as it is written, each part with its Podman, on a host whose NIC is `eth0`. */

const GUIDE = "docs/guide/podman.md";
const text = readFileSync(join(import.meta.dir, "../..", GUIDE), "utf8");
const lineOf = (heading: string) => text.split("\n").indexOf(heading) + 1;
const [FIRST, SECOND] = [lineOf("## Podman 5: the drivers"), lineOf("## Podman 4, with CNI")];
const blocks = readGuide(text);

const PARTS: readonly { readonly backend: Backend; readonly from: number; readonly to: number }[] = [
  { backend: "netavark", from: FIRST, to: SECOND },
  { backend: "cni", from: SECOND, to: Number.POSITIVE_INFINITY },
];

test("every block is in one of the parts", () => {
  expect(FIRST).toBeGreaterThan(0);
  expect(SECOND).toBeGreaterThan(FIRST);
  expect(blocks.filter(({ line }) => line < FIRST)).toEqual([]);
  expect(blocks.length).toBeGreaterThan(12);
});

test("the guide has options that a driver takes, under all their names", () => {
  const rows = [...text.matchAll(/^\| `-o ([a-z_]+)=`(?: \(([^)]*)\))?/gm)];
  const named = rows.flatMap(([, name = "", more = ""]) => [
    name,
    ...[...more.matchAll(/`([a-z_]+)`/g)].map(([, alias = ""]) => alias),
  ]);
  const knownBy = (option: string) =>
    Object.values(KINDS).filter(({ read }) =>
      read({ [option]: "?" }, { ipv6: false }).problems.every(
        ({ message }) => !message.startsWith("unknown option"),
      ),
    );
  expect(rows.length).toBeGreaterThan(7);
  expect(named.filter((option) => knownBy(option).length === 0)).toEqual([]);
});

describe.each([...PARTS])("with the backend $backend", ({ backend, from, to }) => {
  const things = disposedAfterAll();
  let host: PrivateHost;
  // What follows a failure fails with it and tells nothing new.
  let first: unknown;

  beforeAll(async () => {
    host = things.use(await startPodmanHost(backend, []));
    await plugInEth0(host, ["192.168.1.1/24", "192.168.2.1/24"]);
    const { podman } = await startPodman(host, backend);
    await podman("tag", PODMAN_IMAGE, "localhost/busybox:latest");
  }, 600_000);

  const type = (command: string) =>
    host.run(["sh", "-c", `exec 2>&1\nPATH=/usr/local/bin:/opt/underlay:$PATH\n${command}`], {
      timeoutMs: 60_000,
    });

  for (const block of blocks.filter(({ line }) => line > from && line < to)) {
    if (block.kind === "file")
      test(`line ${block.line}: ${block.name}`, async () => {
        await Bun.write(host.outside(block.name), block.text);
      });
    else
      test(`line ${block.line}, ${block.section}: ${block.commands[0]?.text.split("\n")[0]}`, async () => {
        if (first !== undefined)
          throw new Error(`${GUIDE}:${block.line}: not typed, a block before it failed`);
        try {
          await followGuide(GUIDE, block, type);
        } catch (failure) {
          first = failure;
          throw failure;
        }
      });
  }

  test("the guide clears away what it makes", async () => {
    const links: { ifname: string }[] = JSON.parse(await host.must(["ip", "-j", "link"]));
    expect(links.map(({ ifname }) => ifname).sort()).toEqual(["eth0", "lo"]);
    expect(await host.must(["podman", "ps", "--all", "--quiet"])).toBe("");
    expect(await host.must(["podman", "network", "ls", "--format", "{{.Name}}"])).toBe("podman");
  });
});
