import { afterEach, beforeEach, expect, test } from "bun:test";
import { type CniScene, openCniScene } from "./cni-scene.ts";

/** CHECK of plugins that make a pair of links. */

let scene: CniScene;
beforeEach(() => {
  scene = openCniScene();
});
afterEach(() => scene[Symbol.dispose]());

test.each(["ptp", "bridge"])("%s: CHECK sees an address, a route and an end that are gone", async (type) => {
  const conf = {
    ...{ type, name: "checked", cniVersion: "1.1.0" },
    ipam: {
      type: "host-local",
      ranges: [[{ subnet: "10.1.2.0/24" }], [{ subnet: "fd00:1::/64" }]],
      dataDir: scene.dataDir,
      routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
    },
  };
  const { plugins, container, host, attachment } = scene;
  let result = await plugins.add(conf, attachment);
  const checked = () => plugins.check({ ...conf, prevResult: result }, attachment);
  container.ip("-6", "route", "del", "default");
  await expect(checked()).rejects.toThrow("lacks route to ::/0");
  result = await plugins.add(conf, attachment);
  container.ip("address", "del", String(result.ips?.[0]?.address), "dev", "foobar0");
  await expect(checked()).rejects.toThrow("lacks address 10.1.2.");
  const links = host.ipJson("link", "show").map(({ ifname }) => String(ifname));
  host.ip("link", "del", String(links.find((name) => name.startsWith("veth"))));
  await expect(checked()).rejects.toThrow("link foobar0 of the container: it is not there");
  await plugins.del(conf, attachment);
});
