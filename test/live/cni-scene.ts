import { expect } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Attachment,
  type CniConf,
  type CniHost,
  type CniResult,
  cniHost,
  linkPlugins,
} from "../ground/cni.ts";
import { addParent, openTestNetns, type TestNetns } from "../ground/netns.ts";
import { until } from "../ground/until.ts";

/** A host, a container and the built plugins, as the reference's own suite has them: each in a netns of its own. */
export interface CniScene extends Disposable {
  readonly host: TestNetns;
  readonly container: TestNetns;
  readonly plugins: CniHost;
  /** Where host-local keeps its reservations. */
  readonly dataDir: string;
  readonly attachment: Attachment;
  /** Starts a process in the container: a netns without any can be reached by those only who were told its path. */
  inhabit(): Promise<void>;
  /** A link to hang links on, up: in the container when a configuration says `linkInContainer`. */
  master(linkInContainer?: boolean): string;
}

/** The reference's masters are dummies, which not every kernel has; a veth end does as well. */
export function openCniScene(): CniScene {
  using undo = new DisposableStack();
  const folder = undo.adopt(mkdtempSync(join(tmpdir(), "underlay-cni-")), (path) =>
    rmSync(path, { recursive: true }),
  );
  const host = undo.use(openTestNetns());
  const container = undo.use(openTestNetns());
  const plugins = cniHost({ folders: [linkPlugins(join(folder, "bin"))], netns: host.path });
  const kept = undo.move();
  return {
    host,
    container,
    plugins,
    dataDir: join(folder, "networks"),
    attachment: { containerId: "dummy", netns: container.path, ifname: "foobar0" },
    master(linkInContainer) {
      const name = linkInContainer ? "eth1" : "eth0";
      addParent(linkInContainer ? container : host, name);
      return name;
    },
    async inhabit() {
      const inhabitant = Bun.spawn(["nsenter", `--net=${container.path}`, "cat"], {
        stdin: "pipe",
        stdout: "ignore",
      });
      kept.defer(() => void inhabitant.stdin.end());
      const netns = `/proc/${inhabitant.pid}/ns/net`;
      await until("the process is in the container", () => statSync(netns).ino === container.netns.inode);
    },
    [Symbol.dispose]: () => kept.dispose(),
  };
}

/** STATUS from 1.1.0 on, then ADD. */
export async function statusAndAdd(
  { plugins, attachment }: CniScene,
  conf: CniConf,
  more: Partial<Attachment> = {},
): Promise<CniResult> {
  if (String(conf["cniVersion"]) >= "1.1.0") await plugins.status(conf);
  const result = await plugins.add(conf, { ...attachment, ...more });
  expect(result.cniVersion).toBe(String(conf["cniVersion"]));
  return result;
}

/** CHECK with what ADD said; before 0.4.0 it is refused. */
export async function check(
  { plugins, attachment }: CniScene,
  conf: CniConf,
  prevResult: CniResult,
): Promise<void> {
  const checking = plugins.check({ ...conf, prevResult }, attachment);
  if (String(conf["cniVersion"]) >= "0.4.0") return await checking;
  await expect(checking).rejects.toThrow("config version does not allow CHECK");
}

/** As `ip -j -d link show` has it; undefined when it is not there. */
export function linkOf(netns: TestNetns, name: string): Record<string, unknown> | undefined {
  return netns.ipJson("link", "show").find((link) => link["ifname"] === name);
}

/** Addresses of one family, `ADDRESS/PREFIX`, without those of one link only. */
export function addressesOf(netns: TestNetns, name: string, family: 4 | 6 = 4): string[] {
  return netns
    .ipJson(`-${family}`, "address", "show", "dev", name)
    .flatMap((link) => (Array.isArray(link["addr_info"]) ? link["addr_info"] : []))
    .filter(({ scope }) => scope === "global")
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`);
}

/** 0.1.0 and 0.2.0, which know no interfaces and need an address. */
export function isPoor(version: string): boolean {
  return version < "0.3.0";
}
