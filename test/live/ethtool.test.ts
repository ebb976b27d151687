import { afterEach, beforeEach, expect, test } from "bun:test";
import { Conversation } from "../../src/netlink/conversation.ts";
import { ethtool } from "../../src/netlink/ethtool.ts";
import { NETLINK_GENERIC, openRequestSocket } from "../../src/netlink/open.ts";
import { inlineTransport } from "../../src/netlink/transport.ts";
import { programOf } from "../../tools/golden/programs.ts";
import { addParent, openTestNetns, type TestNetns } from "../ground/netns.ts";

/** Features of links of this kernel, seen by ethtool(8). */

let ground: TestNetns;
let generic: Conversation;

beforeEach(() => {
  ground = openTestNetns();
  generic = new Conversation(inlineTransport(openRequestSocket(ground.libc, NETLINK_GENERIC, ground.netns)));
});

afterEach(() => {
  generic.close();
  ground[Symbol.dispose]();
});

/** Features by name, as `ethtool -k` prints them: `on`, `off [fixed]`. */
function featuresOf(link: string): ReadonlyMap<string, string> {
  const words = ["nsenter", `--net=${ground.path}`, ...programOf("ethtool").split(" "), "-k", link];
  const { stdout, stderr, exitCode } = Bun.spawnSync(words);
  if (exitCode !== 0) throw new Error(stderr.toString());
  return new Map(
    stdout
      .toString()
      .split("\n")
      .flatMap((line): [string, string][] => {
        const [, name, value] = /^\s*([\w-]+): (.+)$/.exec(line) ?? [];
        return name !== undefined && value !== undefined ? [[name, value]] : [];
      }),
  );
}

test("a veth's checksums, off and on again, by name and by index", async () => {
  const ifindex = addParent(ground, "p0");
  expect(featuresOf("p0").get("tx-checksum-ip-generic")).toBe("on");

  const off = { "tx-checksum-ip-generic": false, "tx-checksum-sctp": false };
  await ethtool(generic).setFeatures({ ifindex }, off);
  const seen = featuresOf("p0");
  expect([seen.get("tx-checksumming"), seen.get("tx-checksum-sctp")]).toEqual(["off", "off"]);
  // TSO needs checksums; the kernel says so itself.
  expect(seen.get("tx-tcp-segmentation")).toStartWith("off");
  expect(featuresOf("p0-peer").get("tx-checksumming")).toBe("on");

  await ethtool(generic).setFeatures({ name: "p0" }, { "tx-checksum-ip-generic": true });
  expect(featuresOf("p0").get("tx-checksum-ip-generic")).toBe("on");
});

test("twice is once", async () => {
  const ifindex = addParent(ground, "p0");
  const tool = ethtool(generic);
  for (const _ of [1, 2]) await tool.setFeatures({ ifindex }, { "tx-checksum-ip-generic": false });
  expect(featuresOf("p0").get("tx-checksum-ip-generic")).toBe("off");
});

test("a fixed feature is unsupported, and told by name", async () => {
  const ifindex = addParent(ground, "p0");
  await expect(ethtool(generic).setFeatures({ ifindex }, { "tx-checksum-ipv4": true })).rejects.toMatchObject(
    {
      code: "unsupported",
      message: expect.stringContaining("tx-checksum-ipv4 on"),
    },
  );
});

test("an unknown feature and an unknown link are the kernel's to refuse", async () => {
  const ifindex = addParent(ground, "p0");
  await expect(ethtool(generic).setFeatures({ ifindex }, { "no-such": false })).rejects.toMatchObject({
    code: "kernel",
    errno: "EOPNOTSUPP",
    message: expect.stringContaining("bit name not found"),
  });
  await expect(ethtool(generic).setFeatures({ ifindex: 99 }, {})).rejects.toMatchObject({ errno: "ENODEV" });
});
