import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { MOVE_STEPS, RETURN_STEPS } from "../../src/links/move-steps.ts";
import type { OvsNetwork } from "../../src/links/ovs/network-ports.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { type TestNetns, testNetnsAt } from "../ground/netns.ts";
import { until } from "../ground/until.ts";
import { talkOver } from "./connection.ts";
import { FAR, GATEWAY, HOST, HOST_ADDRESS, hostHas, NIC, pings, plugNic } from "./host-nic.ts";
import { makeOvsScene, type OvsScene, specOf } from "./ovs-scene.ts";

/** What a host has on its only NIC, before, while and after a bridge has it. The host is a netns, and so is its LAN. */

const BRIDGE = "mv0";

describe.each([...AGES])("the host's addresses, %s", (age) => {
  const things = disposedAfterAll();
  let scene: OvsScene;
  let host: TestNetns;
  let lan: TestNetns;

  beforeAll(async () => {
    scene = things.use(await makeOvsScene({ age }));
    host = things.use(testNetnsAt(scene.ovs.netns));
    // Whether somebody else has its link-local address a link that just came up asks for up to two seconds.
    Bun.spawnSync(["nsenter", `--net=${host.path}`, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0"]);
  }, 600_000);
  beforeEach(async () => {
    lan = plugNic(host);
    // In userspace nobody finishes the checksums that a veth pair leaves open.
    await scene.features.setFeatures({ name: NIC }, { "tx-checksum-ip-generic": false });
  });
  afterEach(async () => {
    delete scene.moving.at;
    await scene.close(networkOf());
    host.ip("link", "del", NIC);
    lan[Symbol.dispose]();
    expect(scene.records.list()).toEqual([]);
    expect(await scene.ovs.vsctl("list-br")).toBe("");
  });

  const networkOf = (more: Record<string, string> = {}): OvsNetwork => ({
    network: "docker:n1",
    bridge: BRIDGE,
    spec: specOf({ mode: "flat", uplink: NIC, uplink_migrate: "true", ...more }),
  });
  const has = (link: string) => hostHas(host, link);
  const reaches = (address: string) => pings(host, address);
  const reached = (address: string) => pings(lan, address);

  test("are on the bridge, with all that goes with them, and come back", async () => {
    const before = has(NIC);
    expect(before.length).toBeGreaterThan(6);
    const mac = host.ipJson("link", "show", NIC)[0]?.["address"];
    await scene.open(networkOf());
    expect(has(NIC)).toEqual([]);
    expect(has(BRIDGE)).toEqual(before);
    expect(host.ipJson("link", "show", BRIDGE)[0]).toMatchObject({ address: mac, mtu: 1500 });
    for (const address of [GATEWAY, FAR, "2001:db8::fe"])
      expect([address, reaches(address)]).toEqual([address, true]);
    for (const address of [HOST_ADDRESS, "192.0.2.77", "2001:db8::1"]) expect(reached(address)).toBe(true);
    expect(scene.records.get(NIC)).toMatchObject({ state: "moved", bridge: BRIDGE });
    // Once more: nothing to do.
    await scene.open(networkOf());
    expect(has(BRIDGE)).toEqual(before);

    await scene.close(networkOf());
    expect(has(NIC)).toEqual(before);
    expect(reaches(FAR)).toBe(true);
  });

  test("a TCP connection of the host's goes on, there and back", async () => {
    using traffic = await talkOver({ server: lan, client: host, address: GATEWAY });
    await traffic.advance();
    await scene.open(networkOf());
    await traffic.advance();
    await scene.close(networkOf());
    await traffic.advance();
  });

  test("move once for several networks, and back with the last", async () => {
    const before = has(NIC);
    const second = { ...networkOf({ vlan: "20" }), network: "docker:n2" };
    await scene.open(networkOf());
    await scene.open(second);
    await scene.driver.dismantle(networkOf());
    expect(has(BRIDGE)).toEqual(before);
    expect(reaches(GATEWAY)).toBe(true);
    await scene.close(second);
    expect(has(NIC)).toEqual(before);
  });

  test.each(MOVE_STEPS.slice(0, -2))("when %s fails, all is as it was", async (step) => {
    const before = has(NIC);
    failAt(step);
    await expect(scene.open(networkOf())).rejects.toThrow(`told to fail at ${step}`);
    expect(has(NIC)).toEqual(before);
    expect(reaches(GATEWAY)).toBe(true);
    expect(await scene.ovs.vsctl("list-br")).toBe("");
    expect(scene.records.list()).toEqual([]);
  });

  test.each(RETURN_STEPS.slice(0, -1))(
    "when %s fails, the host is reached, and it is finished later",
    async (step) => {
      const before = has(NIC);
      await scene.open(networkOf());
      failAt(step);
      await expect(scene.close(networkOf())).rejects.toThrow("told to fail");
      expect(reaches(GATEWAY)).toBe(true);
      expect(reached(HOST_ADDRESS)).toBe(true);
      delete scene.moving.at;
      await scene.mover.finish();
      expect(has(NIC)).toEqual(before);
      expect(reaches(GATEWAY)).toBe(true);
    },
  );

  test("come back when a gateway that answered does not answer through the bridge", async () => {
    const before = has(NIC);
    scene.moving.at = (step) => {
      if (step === "move.after-port") lan.ip("link", "set", "lan0", "arp", "off");
    };
    await expect(scene.open(networkOf())).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringMatching(
        /^uplink nic0 has addresses of this host, which were moved to bridge mv0 and back: 192\.0\.2\.254.* answers on nic0, and not through bridge mv0$/,
      ),
    });
    lan.ip("link", "set", "lan0", "arp", "on");
    expect(has(NIC)).toEqual(before);
  });

  test("are put back on the bridge's link that ovs-vswitchd made anew", async () => {
    const before = has(NIC);
    await scene.open(networkOf());
    await scene.ovs.killVswitchd();
    host.ip("link", "del", BRIDGE);
    await scene.ovs.startVswitchd();
    await until("it has one again", () => host.ip("link", "show").includes(BRIDGE));
    await until("its network is whole again", () => scene.open(networkOf()));
    expect(has(BRIDGE)).toEqual(before);
    await until("the router answers", () => reaches(GATEWAY));
    await scene.close(networkOf());
    expect(has(NIC)).toEqual(before);
  });

  test("follow when the NIC gets some again", async () => {
    await scene.open(networkOf());
    host.ip("address", "add", "192.0.2.5/24", "dev", NIC);
    await scene.open(networkOf());
    expect(has(NIC)).toEqual([]);
    expect(reached("192.0.2.5")).toBe(true);
    await scene.close(networkOf());
    expect(has(NIC).filter((line) => line.startsWith("inet 192.0.2."))).toHaveLength(3);
  });

  describe("after a reboot, with the NIC on the bridge and the host's own configuration on the NIC,", () => {
    beforeEach(async () => {
      await scene.open(networkOf());
      const record = scene.records.get(NIC);
      if (record) await scene.records.put({ ...record, bootId: "former" });
      host.ip("link", "set", BRIDGE, "down");
      host.ip("address", "flush", "dev", BRIDGE);
      for (const words of HOST) host.ip(...words.split(" "));
    });

    test("they are moved again", async () => {
      const before = has(NIC);
      await scene.open(networkOf());
      expect(has(BRIDGE)).toEqual(before);
      expect(reaches(FAR)).toBe(true);
      expect(scene.records.get(NIC)).toMatchObject({ state: "moved", bootId: "now" });
    });

    test("they stay when that fails, and it is not tried again and again", async () => {
      const before = has(NIC);
      failAt("move.after-give");
      await expect(scene.open(networkOf())).rejects.toThrow("told to fail");
      delete scene.moving.at;
      expect(has(NIC)).toEqual(before);
      expect(reaches(FAR)).toBe(true);
      await expect(scene.open(networkOf())).rejects.toThrow("which were moved to bridge mv0 and back");
      expect(has(NIC)).toEqual(before);
      expect(await scene.ovs.vsctl("list-ports", BRIDGE)).toBe("");
    });
  });

  const LEASE = ["192.0.2.9/24", "valid_lft", "900", "preferred_lft", "900"];
  test("of a DHCP client stay on the NIC, and the network is refused", async () => {
    host.ip("address", "add", ...LEASE, "dev", NIC);
    await expect(scene.open(networkOf())).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringMatching(
        /^uplink nic0 has 192\.0\.2\.9\/24 for a time only: a DHCP client renews it/,
      ),
    });
    expect(await scene.ovs.vsctl("list-br")).toBe("");
    expect(has(NIC).join(" ")).toContain("192.0.2.9/24");
  });

  test("are not given to a bridge of somebody else", async () => {
    await scene.ovs.vsctl("add-br", "theirs", "--", "set", "bridge", "theirs", "datapath_type=netdev");
    await expect(scene.open({ ...networkOf(), bridge: "theirs" })).rejects.toMatchObject({
      code: "conflict",
      message:
        "uplink nic0 has addresses of this host, and bridge theirs is not Underlay's to give them to; name a bridge that is not there yet",
    });
    expect(await scene.ovs.vsctl("list-ports", "theirs")).toBe("");
    await scene.ovs.vsctl("del-br", "theirs");
  });

  function failAt(wanted: string): void {
    scene.moving.at = (step) => {
      if (step === wanted) throw new Error(`told to fail at ${step}`);
    };
  }
});
