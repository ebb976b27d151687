import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VERSIONS } from "../versions.ts";
import { callOf, hostLocalScene, printed } from "./calls.fixture.ts";

/** cni.md section 3.6, as far as it is about one call; the built program is asked the same in test/live. */

const POOL = { subnet: "10.1.2.0/24" };
const ipam = (dataDir: string, more: object = { ranges: [[POOL]] }) => ({
  type: "host-local",
  dataDir,
  ...more,
});
const conf = (dataDir: string, more?: object) => ({ name: "lannet", ipam: ipam(dataDir, more) });
const isRich = (version: string) => version >= "0.3.0";

describe.each(VERSIONS.map((version) => [version] as const))("host-local %s", (version) => {
  test("allocates and releases", async () => {
    using of = hostLocalScene({ "/resolv": "nameserver 192.0.2.3" });
    const routes = [
      { dst: "0.0.0.0/0" },
      { dst: "::/0" },
      { dst: "192.168.0.0/16", gw: "1.1.1.1" },
      { dst: "2001:db8:2::/64", gw: "2001:db8:3::1" },
    ];
    const given = conf(of.dataDir, {
      ranges: [[POOL, { subnet: "10.2.2.0/24" }], [{ subnet: "2001:db8:1::/64" }]],
      routes,
      resolvConf: "/resolv",
    });
    const result = await printed(of.plugin(), callOf(given, { version }));
    const ips = [
      { address: "10.1.2.2/24", gateway: "10.1.2.1" },
      { address: "2001:db8:1::2/64", gateway: "2001:db8:1::1" },
    ];
    if (isRich(version)) {
      expect(result).toMatchObject({ ips, routes, dns: { nameservers: ["192.0.2.3"] } });
      expect(JSON.stringify(result).includes('"version":')).toBe(version < "1.0.0");
    } else {
      expect(result).toMatchObject({
        ip4: { ip: "10.1.2.2/24", gateway: "10.1.2.1", routes: [routes[0], routes[2]] },
        ip6: { ip: "2001:db8:1::2/64", gateway: "2001:db8:1::1", routes: [routes[1], routes[3]] },
      });
    }
    const { scene } = of;
    expect(scene.files()).toEqual({ "10.1.2.2": "dummy\r\neth0", "2001:db8:1::2": "dummy\r\neth0" });
    expect(readFileSync(join(scene.path, "last_reserved_ip.0"), "utf8")).toBe("10.1.2.2");
    expect(readFileSync(join(scene.path, "last_reserved_ip.1"), "utf8")).toBe("2001:db8:1::2");
    await of.plugin().check(callOf(given, { version }));
    await of.plugin().del(callOf(given, { version }));
    expect(scene.files()).toEqual({});
  });

  test("one network's DEL leaves the other's", async () => {
    using of = hostLocalScene();
    const [one, two] = ["mynet0", "mynet1"].map((name) => ({ ...conf(of.dataDir), name }));
    for (const each of [one, two]) await of.plugin().add(callOf(each ?? {}, { version }));
    await of.plugin().del(callOf(one ?? {}, { version }));
    expect(existsSync(join(of.dataDir, "mynet0/10.1.2.2"))).toBe(false);
    expect(readFileSync(join(of.dataDir, "mynet1/10.1.2.2"), "utf8")).toBe("dummy\r\neth0");
  });

  test("an ADD that is repeated is an error, and another container gets the next address", async () => {
    using of = hostLocalScene();
    const add = (container: string) => of.plugin().add(callOf(conf(of.dataDir), { version, container }));
    await add("dummy");
    await expect(add("dummy")).rejects.toThrow("10.1.2.2 has been allocated to dummy, duplicate allocation");
    expect(await add("dummy1")).toMatchObject({ ips: [{ address: { ip: { bytes: { 3: 3 } } } }] });
    await expect(add("dummy")).rejects.toThrow("duplicate allocation is not allowed");
  });

  test("asked by a plugin that makes the link it gives the same again", async () => {
    using of = hostLocalScene();
    const add = () => of.plugin(true).add(callOf(conf(of.dataDir), { version }));
    expect(await add()).toEqual(await add());
  });

  test("DEL takes a file of old, and needs none at all", async () => {
    using of = hostLocalScene();
    const call = callOf(conf(of.dataDir), { version });
    await of.plugin().del(call);
    await of.plugin().add(call);
    writeFileSync(join(of.scene.path, "10.1.2.2"), "dummy");
    await of.plugin().del(call);
    expect(of.scene.files()).toEqual({});
  });

  test("serves addresses of several pools that are asked for; before 0.3.0 there is one of a family", async () => {
    using of = hostLocalScene();
    const args = { cni: { ips: ["10.1.2.88", "10.1.3.77"] } };
    const given = { ...conf(of.dataDir, { ranges: [[POOL], [{ subnet: "10.1.3.0/24" }]] }), args };
    const result = of.plugin().add(callOf(given, { version }));
    if (isRich(version)) {
      await result;
      expect(Object.keys(of.scene.files())).toEqual(["10.1.2.88", "10.1.3.77"]);
    } else {
      await expect(result).rejects.toThrow(
        `CNI version ${version} does not support more than 1 address per family`,
      );
      expect(of.scene.files()).toEqual({});
    }
  });

  test("serves addresses of both families that are asked for", async () => {
    using of = hostLocalScene();
    const args = { cni: { ips: ["10.1.2.88", "2001:db8:1::999"] } };
    const ranges = [[{ subnet: "172.16.1.0/24" }, POOL], [{ subnet: "2001:db8:1::/48" }]];
    await of.plugin().add(callOf({ ...conf(of.dataDir, { ranges }), args }, { version }));
    expect(Object.keys(of.scene.files())).toEqual(["10.1.2.88", "2001:db8:1::999"]);
  });

  test("fails when not all that is asked for can be had", async () => {
    using of = hostLocalScene();
    const args = { cni: { ips: ["10.1.2.88", "10.1.2.77"] } };
    const ranges = [[POOL], [{ subnet: "2001:db8:1::/48" }]];
    const add = of.plugin().add(callOf({ ...conf(of.dataDir, { ranges }), args }, { version }));
    await expect(add).rejects.toThrow("failed to allocate all requested IPs: 10.1.2.77");
    expect(of.scene.files()).toEqual({});
  });
});

describe("the configuration", () => {
  test.each<[string, object, { args?: string }, string[]]>([
    ["one pool in the old way", { subnet: "10.1.2.0/24", rangeStart: "10.1.2.9" }, {}, ["10.1.2.9"]],
    ["pools in both ways", { subnet: "10.5.0.0/24", ranges: [[POOL]] }, {}, ["10.1.2.2", "10.5.0.2"]],
    ["CNI_ARGS", { ranges: [[POOL]] }, { args: "IP=10.1.2.10" }, ["10.1.2.10"]],
    [
      "CNI_ARGS with a prefix",
      { ranges: [[POOL]] },
      { args: "IgnoreUnknown=1;IP=10.1.2.11/24;K=v" },
      ["10.1.2.11"],
    ],
    [
      "any case of a key",
      { RANGES: [[{ Subnet: "10.1.2.0/24", RANGEStart: "10.1.2.7" }]] },
      {},
      ["10.1.2.7"],
    ],
  ])("of %s", async (_, more, env, addresses) => {
    using of = hostLocalScene();
    await of.plugin().add(callOf(conf(of.dataDir, more), env));
    expect(Object.keys(of.scene.files())).toEqual(addresses);
  });

  test("the runtime's ranges come first, and its addresses count with and without a prefix", async () => {
    using of = hostLocalScene();
    const runtimeConfig = {
      ipRanges: [[{ subnet: "10.7.0.0/24" }], [{ subnet: "2001:db8:7::/64" }]],
      ips: ["10.1.2.20/8", "10.7.0.20"],
    };
    await of.plugin().add(callOf({ ...conf(of.dataDir), RuntimeConfig: runtimeConfig }));
    expect(Object.keys(of.scene.files())).toEqual(["10.1.2.20", "10.7.0.20", "2001:db8:7::2"]);
    expect(readFileSync(join(of.scene.path, "last_reserved_ip.0"), "utf8")).toBe("10.7.0.20");
  });

  const twice = { ranges: [[POOL], [POOL]] };
  test.each<[object, object, string]>([
    [{ ipam: null }, {}, "IPAM config missing 'ipam' key"],
    [{}, { ranges: [] }, "no IP ranges specified"],
    [{}, twice, "range set 0 overlaps with 1"],
    [
      {},
      { ranges: [[POOL, POOL]] },
      "invalid range set 0: subnets 10.1.2.1-10.1.2.254 and 10.1.2.1-10.1.2.254 overlap",
    ],
    [{}, { ranges: [[POOL, { subnet: "2001:db8::/64" }]] }, "invalid range set 0: mixed address families"],
    [{ args: { cni: { ips: ["nowhere"] } } }, { ranges: [[POOL]] }, "invalid IP address: nowhere"],
    [
      {},
      { ranges: [[{ subnet: 7 }]] },
      "failed to load netconf: ipam.ranges[0][0].subnet must be a string, not 7",
    ],
    [{}, { ...POOL, resolvConf: "/none" }, "open /none: no such file or directory"],
  ])("%p with %p is refused", async (top, more, message) => {
    using of = hostLocalScene();
    const add = of.plugin().add(callOf({ ...conf(of.dataDir, more), ...top }));
    await expect(add).rejects.toMatchObject({ message });
    expect(of.scene.files()).toEqual({});
  });

  test("a DEL asks of it where the files are, and nothing else", async () => {
    using of = hostLocalScene();
    await of.plugin().add(callOf(conf(of.dataDir)));
    await of.plugin().del(callOf(conf(of.dataDir, { ranges: "nonsense", routes: [7] }), { args: "K" }));
    expect(of.scene.files()).toEqual({});
  });
});

test("GC keeps those that the runtime named, and all when it named nobody", async () => {
  using of = hostLocalScene();
  for (const container of ["a", "b"]) await of.plugin().add(callOf(conf(of.dataDir), { container }));
  await of.plugin().gc(callOf(conf(of.dataDir)), undefined);
  expect(Object.keys(of.scene.files())).toEqual(["10.1.2.2", "10.1.2.3"]);
  await of.plugin().gc(callOf(conf(of.dataDir)), [{ containerId: "b", ifname: "eth0" }]);
  expect(Object.keys(of.scene.files())).toEqual(["10.1.2.3"]);
});

test("STATUS says by its own code that a pool is used up", async () => {
  using of = hostLocalScene();
  const call = callOf(conf(of.dataDir, { ranges: [[{ subnet: "10.1.2.0/30" }]] }));
  await of.plugin().status(call);
  await of.plugin().add(call);
  const text = "failed to allocate for range 0: no IP addresses available in range set: 10.1.2.1-10.1.2.2";
  await expect(of.plugin().status(call)).rejects.toMatchObject({ code: 50, message: text });
});
