import { beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES, type Age, findEngine } from "../ground/engines.ts";
import { startHost } from "../ground/host.ts";
import { openTestNetns } from "../ground/netns.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";

// The ground itself: what fails here is not our client's fault.

const NETDEV = ["--", "set", "Bridge", "br0", "datapath_type=netdev"];

async function answersOn(path: string): Promise<string> {
  const socket = connect({ path });
  socket.write('{"method":"list_dbs","params":[],"id":1}');
  try {
    for await (const chunk of socket) return String(chunk);
    return "";
  } finally {
    socket.destroy();
  }
}

describe.each([...AGES])("a private Open vSwitch, %s", (age) => {
  const things = disposedAfterAll();
  let ovs: Switch;
  beforeAll(async () => {
    ovs = things.use(await startSwitch({ age }));
  }, 600_000);

  test("is of its age, and its database is reached from here", async () => {
    expect(await ovs.vsctl("--version")).toContain(ovs.version.split(/[-+~]/)[0] ?? "none");
    expect(Number.parseInt(ovs.version, 10)).toBeGreaterThanOrEqual(3);
    expect(await answersOn(ovs.socket)).toContain("Open_vSwitch");
  });

  test("switches between two veths", async () => {
    await ovs.vsctl("add-br", "br0", ...NETDEV);
    for (const end of ["a", "b"]) {
      await ovs.host.must(["ip", "netns", "add", end]);
      await ovs.host.must([
        "ip",
        "link",
        "add",
        `v${end}`,
        "type",
        "veth",
        "peer",
        "name",
        "e0",
        "netns",
        end,
      ]);
      await ovs.host.must(["ip", "link", "set", `v${end}`, "up"]);
      const address = `10.1.0.${end === "a" ? 1 : 2}/24`;
      await ovs.host.must(["ip", "-n", end, "address", "add", address, "dev", "e0"]);
      await ovs.host.must(["ip", "-n", end, "link", "set", "e0", "up"]);
      await ovs.vsctl("add-port", "br0", `v${end}`);
    }
    const ping = ["ip", "netns", "exec", "a", "ping", "-c1", "-W5", "10.1.0.2"];
    expect(await ovs.host.must(ping)).toContain("1 received");
    expect(await ovs.ofctl("show", "br0")).toContain("(va)");
    expect(await ovs.appctl("dpif/show")).toContain("netdev@");
  });

  test("comes back with what its database says, whichever of the two is killed", async () => {
    await ovs.killVswitchd();
    await ovs.vsctl(
      "--no-wait",
      "add-port",
      "br0",
      "later",
      "--",
      "set",
      "Interface",
      "later",
      "type=internal",
    );
    await ovs.startVswitchd();
    await ovs.vsctl("set", "Bridge", "br0", "external_ids:seen=yes");
    expect(await ovs.host.must(["ip", "-o", "link", "show", "later"])).toContain("later");
    await ovs.killDatabase();
    await expect(answersOn(ovs.socket)).rejects.toThrow();
    await ovs.startDatabase();
    expect(await ovs.vsctl("list-ports", "br0")).toBe("later\nva\nvb");
  });
});

test("its bridges can be in a netns that a test has already", async () => {
  using ground = openTestNetns();
  const names = () => ground.ipJson("link").map((link) => String(link["ifname"]));
  {
    await using ovs = await startSwitch({ age: "oldest", netns: ground.path });
    await ovs.vsctl("add-br", "br0", ...NETDEV);
    expect(names()).toContain("br0");
    expect(names()).not.toContain("lan0");
  }
  expect(names()).toEqual(["lo"]);
});

// The ages may differ: an old Docker beside a new switch, and the other way round.
const MIXED: readonly (readonly [Age, Age])[] = [
  ["oldest", "newest"],
  ["newest", "oldest"],
];

test.each(MIXED)(
  "on a host that is there already, with the %s Docker: the %s switch",
  async (docker, age) => {
    await using host = await startHost({ engine: await findEngine(docker) });
    {
      await using ovs = await startSwitch({ age, host });
      await ovs.vsctl("add-br", "br0", ...NETDEV);
      expect(await host.must(["ovs-vsctl", "show"])).toContain("Bridge br0");
      expect(await answersOn(ovs.socket)).toContain("Open_vSwitch");
    }
    expect(await host.must(["ip", "link"])).not.toMatch(/br0|ovs/);
  },
  600_000,
);
