import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { dryRun } from "../src/cli/cni/dry.ts";
import { strangeIpamKeys, strangeKeys } from "../src/cli/cni/strange-keys.ts";
import { readNetworkList, requestOf, typeOf, versionsTaken } from "../src/cni/list.ts";
import { isVersion, LATEST } from "../src/cni/versions.ts";
import { readGuide } from "../test/ground/guide.ts";

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

const written: Written[] = [
  ...files
    .filter(({ name }) => /\.conf(list)?$/.test(name))
    .map(({ where, name, text }) => ({ where, text, isSingle: name.endsWith(".conf") })),
];

test("guides have configurations", () => expect(written.length).toBeGreaterThan(1));

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
