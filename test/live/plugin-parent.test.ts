import { describe, expect, test } from "bun:test";
import { readlinkSync } from "node:fs";
import { until } from "../ground/until.ts";
import { pluginScene } from "./plugin-scene.ts";

const scene = pluginScene();

describe("the parent", () => {
  test("passthru is exclusive against a network of ours, both ways", async () => {
    const bridge = await scene.createNetwork();
    expect(await scene.refusal({ options: { macvlan_mode: "passthru" } })).toContain("passthru");
    await scene.daemon.call("DeleteNetwork", { NetworkID: bridge });
    await scene.createNetwork({ options: { macvlan_mode: "passthru" } });
    for (const macvlan_mode of ["bridge", "passthru"])
      expect(await scene.refusal({ options: { macvlan_mode } })).toContain("passthru");
  });

  test("passthru is exclusive against links that others made, both ways", async () => {
    await scene.daemon.ip("link add odd0 link lan0 type macvlan mode bridge");
    expect(await scene.refusal({ options: { macvlan_mode: "passthru" } })).toContain("passthru");
    await scene.daemon.ip("link del odd0");
    await scene.daemon.ip("link add odd0 link lan0 type macvlan mode passthru");
    expect(await scene.refusal({})).toContain("passthru");
  });

  test("passthru is exclusive against a link in a container, which no list of the host's links shows", async () => {
    await using undo = new AsyncDisposableStack();
    const child = Bun.spawn(["unshare", "--net", "cat"], { stdin: "pipe", stdout: "ignore" });
    undo.defer(async () => {
      child.stdin.end();
      await child.exited;
    });
    const other = () => readlinkSync(`/proc/${child.pid}/ns/net`) !== readlinkSync("/proc/self/ns/net");
    await until("unshare has made a namespace", other);
    await scene.daemon.ip(`link add odd0 link lan0 netns ${child.pid} type macvlan mode passthru`);
    expect(await scene.refusal({})).toContain("passthru");
  });

  test("all other modes share it", async () => {
    const modes = ["bridge", "private", "vepa"];
    const networks = await Promise.all(modes.map((mode) => scene.createNetwork({ options: { mode } })));
    const endpoints = await Promise.all(networks.map((network, i) => scene.createEndpoint(network, i + 2)));
    const found = await Promise.all(endpoints.map((endpoint) => scene.linkOf(endpoint)));
    expect(found.map((link) => link?.linkinfo?.info_data?.mode)).toEqual(modes);
  });

  test("that is a bridge port is refused at create, with the bridge's name", async () => {
    await scene.daemon.ip("link add odd0 type bridge");
    await scene.daemon.ip("link set lan0 master odd0");
    const text = await scene.refusal({});
    expect(text).toContain("odd0");
    expect(text).not.toMatch(/EBUSY|busy/i);
  });

  test.each([
    [{ parent: "lan9" }, "UL-P01 no link is called lan9 "],
    [{ parent: "a-name-of-more-than-15" }, "UL-P01 no link is called a-name-of-more-than-15 "],
    [{ parent: "lo" }, "UL-P04 lo is the loopback link: it cannot carry macvlan "],
    [{ parent: "a/b" }, 'parent: link name "a/b" has a slash, colon, NUL or white space in it'],
    [{ parent: "lan0.4095" }, "no link is called lan0.4095, and as a VLAN: VLAN id must be 1 to 4094"],
    [
      { "com.docker.network.driver.mtu": "67" },
      'com.docker.network.driver.mtu: "67" is no MTU from 68 to 65535',
    ],
    [{ mtu: "9000" }, "UL-P12 mtu 9000 is more than the 1500 of lan0 "],
    [{ mode: "bridged" }, 'mode: "bridged" is none of bridge, private, vepa, passthru, did you mean bridge?'],
    [{ parnet: "lan0" }, "unknown option parnet, did you mean parent?"],
    [{ mode: "bridge", macvlan_mode: "vepa" }, "mode=bridge and macvlan_mode=vepa are the same option"],
    [
      { parnet: "lan0", mode: "x", mtu: "67" },
      'unknown option parnet, did you mean parent?; mode: "x" is none of bridge, private, vepa, passthru; mtu: "67" is no MTU from 68 to 65535',
    ],
  ])("options %j are refused in words", async (options, words) => {
    expect(await scene.refusal({ options })).toStartWith(words);
  });

  test("an MTU too small for IPv6 is refused with IPv6 alone", async () => {
    const options = { mtu: "1000" };
    expect(await scene.refusal({ options, ipv6: true })).toBe(
      'mtu: "1000" is no MTU (with IPv6) from 1280 to 65535',
    );
    await scene.createNetwork({ options });
  });

  test("that is down is brought up, and the log says so", async () => {
    await scene.daemon.ip("link set lan0 down");
    const endpoint = await scene.createEndpoint(await scene.createNetwork(), 7);
    expect(endpoint.joined.status).toBe(200);
    expect((await scene.daemon.links()).find(({ ifname }) => ifname === "lan0")?.flags).toContain("UP");
    expect(scene.daemon.lines().filter((line) => line.includes("brought up"))).not.toEqual([]);
  });

  test("gives its MTU unless the network has one of its own", async () => {
    await scene.daemon.ip("link set lan0 mtu 1450");
    const inherits = await scene.createEndpoint(await scene.createNetwork(), 7);
    const own = await scene.createEndpoint(await scene.createNetwork({ options: { mtu: "1400" } }), 8);
    expect([(await scene.linkOf(inherits))?.mtu, (await scene.linkOf(own))?.mtu]).toEqual([1450, 1400]);
  });

  test("may be named by an altname", async () => {
    await scene.daemon.ip("link property add dev lan0 altname the-long-name-of-the-lan");
    const endpoint = await scene.createEndpoint(
      await scene.createNetwork({ options: { parent: "the-long-name-of-the-lan" } }),
      7,
    );
    expect((await scene.linkOf(endpoint))?.link).toBe("lan0");
  });

  test("that went and came back serves again", async () => {
    const network = await scene.createNetwork();
    await scene.daemon.ip("link del lan0");
    expect((await scene.createEndpoint(network, 7)).joined.body["Err"]).toContain("lan0");
    await scene.daemon.ip("link add lan0 type veth peer name lan1");
    await scene.daemon.ip("link set lan0 up");
    const endpoint = await scene.createEndpoint(network, 8);
    expect((await scene.linkOf(endpoint))?.link).toBe("lan0");
  });
});
