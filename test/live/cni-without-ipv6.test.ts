import { expect, test } from "bun:test";
import { cniHost } from "../ground/cni.ts";
import { linkOf, openCniScene } from "./cni-scene.ts";

/** A kernel without IPv6 has no settings of it; here they are hidden from the plugin. */

const HIDDEN = ["unshare", "--mount", "--propagation", "private", "sh", "-c"];

test("an IPv6 address on a kernel without IPv6 is refused in words, an IPv4 address is given", async () => {
  using scene = openCniScene();
  const wrap = [...HIDDEN, 'mount -t tmpfs tmpfs /proc/sys/net && exec "$0" "$@"'];
  const plugins = cniHost({ folders: scene.plugins.folders, netns: scene.host.path, wrap });
  const conf = (address: string) => ({
    cniVersion: "1.1.0",
    name: "n",
    type: "macvlan",
    master: "eth0",
    ipam: { type: "static", addresses: [{ address }] },
  });
  scene.master();
  await expect(plugins.add(conf("fd00:1::2/64"), scene.attachment)).rejects.toThrow(
    "the container is to have an IPv6 address, and this kernel has no IPv6: ipv6.disable=1 on its command line, or no module ipv6",
  );
  expect(linkOf(scene.container, "foobar0")).toBeUndefined();
  await plugins.add(conf("10.1.2.2/24"), scene.attachment);
  await plugins.del(conf("10.1.2.2/24"), scene.attachment);
});
