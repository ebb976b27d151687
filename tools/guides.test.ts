import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "../src/cli/args.ts";
import { pluginsNamed } from "../src/cli/cni/bin-dir.ts";
import { dryRun } from "../src/cli/cni/dry.ts";
import { strangeIpamKeys, strangeKeys } from "../src/cli/cni/strange-keys.ts";
import { flagsOf } from "../src/cli/flags.ts";
import { findVerb } from "../src/cli/verbs.ts";
import { readNetworkList, requestOf, typeOf, versionsTaken } from "../src/cni/list.ts";
import { isVersion, LATEST } from "../src/cni/versions.ts";
import { readGuide } from "../test/ground/guide.ts";
import { readManifest } from "../test/ground/manifests.ts";

/** CNI configurations in guides are such as our plugins take, with every key read by somebody. */

const root = join(import.meta.dir, "..");
const GUIDES = [...new Bun.Glob("docs/guide/*.md").scanSync(root)].sort();

interface Written {
  readonly where: string;
  readonly text: string;
  readonly isSingle: boolean;
}

const files = GUIDES.flatMap((guide) =>
  readGuide(readFileSync(join(root, guide), "utf8")).flatMap((block) =>
    block.kind === "file" ? [{ ...block, where: `${guide}:${block.line}` }] : [],
  ),
);

const manifests = files
  .filter(({ where, name }) => where.includes("kubernetes") && name.endsWith(".yaml"))
  .map(({ where, text }) => ({ where, manifest: readManifest(text) }));

const written: Written[] = [
  ...files
    .filter(({ name }) => /\.conf(list)?$/.test(name))
    .map(({ where, name, text }) => ({ where, text, isSingle: name.endsWith(".conf") })),
  ...manifests.flatMap(({ where, manifest }) =>
    manifest.kind === "NetworkAttachmentDefinition"
      ? [{ where, text: manifest.spec.config, isSingle: true }]
      : [],
  ),
];

test("guides have configurations", () => expect(written.length).toBeGreaterThan(1));

const commands = manifests.flatMap(({ where, manifest }) => {
  if (manifest.kind !== "DaemonSet") return [];
  const { initContainers = [], containers } = manifest.spec.template.spec;
  return [...initContainers, ...containers].flatMap(({ command: [program, ...words] = [] }) =>
    program === "underlay" ? [[where, words] as const] : [],
  );
});

test("containers of a DaemonSet have commands of ours", () => expect(commands.length).toBe(2));

test.each(commands)("%s: %p", (_, words) => {
  const given = parseArgs(words);
  const { verb, rest } = findVerb(given.words);
  expect(rest).toEqual([]);
  expect(flagsOf(verb)).toEqual(expect.arrayContaining([...given.used]));
  expect(() => pluginsNamed(given.flags.get("plugins")?.at(-1))).not.toThrow();
});

describe.each(written)("$where", ({ text, isSingle }) => {
  const list = readNetworkList(new TextEncoder().encode(text), isSingle);
  const { newest } = versionsTaken(list);

  test.each(list.plugins.map((conf) => [typeOf(conf), conf] as const))("%s", async (type, conf) => {
    const request = requestOf(list, conf, newest);
    const env = { verb: "STATUS", containerId: "", netns: "", ifname: "", path: [], args: "" } as const;
    const version = isVersion(newest) ? newest : LATEST;
    const call = { env, conf: request, raw: JSON.stringify(request), name: list.name, version };
    const dry = await dryRun(type, call);
    expect(dry?.refusal).toBeUndefined();
    const ipam = dry?.asked[0]?.type;
    expect(strangeKeys(type, request, ipam)).toEqual([]);
    if (ipam === undefined) return;
    expect((await dryRun(ipam, call))?.refusal).toBeUndefined();
    expect(strangeIpamKeys(ipam, conf["ipam"])).toEqual([]);
  });
});
