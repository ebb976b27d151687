import { beforeAll, describe, expect, test } from "bun:test";
import { switchPortNameOf } from "../../src/lib/ifname.ts";
import { cookieOf, formatCookie } from "../../src/links/ovs/security/cookie.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import { until } from "../ground/until.ts";
import { type DockerCall, deleteNetwork, done, idOf, speakingTo, statusOf } from "./docker-calls.ts";
import { type LoneDaemon, startLoneDaemon } from "./lone-daemon.ts";
import { type Sandbox, startSandbox } from "./sandbox.ts";

/** Somebody else edits a bridge while a container is on it. What is ours comes back, and what is theirs stays. */

const [NETWORK, ENDPOINT] = [idOf(1), idOf(2)];
const IDS = { NetworkID: NETWORK, EndpointID: ENDPOINT };
const PORT = switchPortNameOf(`docker:${NETWORK}/${ENDPOINT}`);

describe.each([...AGES])("a bridge that others edit, %s", (age) => {
  const things = disposedAfterAll();
  let daemon: LoneDaemon;
  let ovs: Switch;
  let sandbox: Sandbox;

  beforeAll(async () => {
    sandbox = things.use(await startSandbox());
    const lone = things.use(await startLoneDaemon());
    ovs = things.use(await startSwitch({ age, netns: lone.netns }));
    await lone.stop();
    daemon = speakingTo(lone, "underlay-ovs");
    await daemon.start({ flags: [`--ovsdb=unix:${ovs.socket}`, "--reconcile-interval=500ms"] });
    const Interface = { Address: "10.60.0.7/24", AddressIPv6: "", MacAddress: "" };
    const calls: readonly DockerCall[] = [
      [
        "CreateNetwork",
        {
          NetworkID: NETWORK,
          Options: {
            "com.docker.network.generic": {
              ...{ datapath: "netdev", bridge: "br7" },
              ...{ port_security: "true", rx_rate: "10mbit" },
            },
          },
          IPv4Data: [{ AddressSpace: "LocalDefault", Pool: "10.60.0.0/24", Gateway: "10.60.0.1/24" }],
          IPv6Data: [],
        },
      ],
      ["CreateEndpoint", { ...IDS, Interface, Options: {} }],
      ["Join", { ...IDS, SandboxKey: sandbox.key, Options: {} }],
    ];
    for (const call of calls) await done(daemon, call);
    await sandbox.take(daemon);
    await sandbox.ip("address add 10.60.0.7/24 dev eth0");
    // What port security lets nobody say.
    await sandbox.ip("address add 10.60.0.8/32 dev eth0");
  }, 600_000);

  const reaches = async (address: string) => (await ovs.host.run(["ping", "-c1", "-W1", address])).code === 0;

  async function expectWhole(): Promise<void> {
    await until("the host reaches the container", () => reaches("10.60.0.7"), { withinMs: 20_000 });
    expect(await reaches("10.60.0.8")).toBe(false);
    expect(await ovs.vsctl("get", "port", PORT, "tag")).toBe("0");
    expect(await ovs.vsctl("get", "port", PORT, "qos")).not.toBe("[]");
    expect(await ovs.vsctl("get", "interface", PORT, "external_ids:owner")).toBe("underlay");
  }

  test("it works, before anybody touches it", expectWhole, 60_000);

  test("a port that was taken off comes back, as it was, and guarded", async () => {
    await ovs.vsctl("del-port", "br7", PORT);
    await expectWhole();
    expect(daemon.lines().join("\n")).toContain(`port ${PORT} was taken off bridge br7 and is put back`);
  }, 60_000);

  test("all of it comes back when the bridge was deleted", async () => {
    await ovs.vsctl("del-br", "br7");
    await expectWhole();
    expect(await statusOf(daemon)).toMatchObject({ findings: [] });
  }, 60_000);

  test("flows of ours go that no endpoint has, and nobody else's", async () => {
    const add = (cookie: string, port: number) =>
      ovs.host.must([
        "ovs-ofctl",
        "add-flow",
        "br7",
        `cookie=${cookie},priority=40000,in_port=${port},actions=drop`,
      ]);
    await add(formatCookie(cookieOf("docker:gone")), 77);
    await add("0x1234", 78);
    const flows = () => ovs.host.must(["ovs-ofctl", "dump-flows", "br7"]);
    await until("the stray is gone", async () => !(await flows()).includes("in_port=77"));
    expect(await flows()).toContain("in_port=78");
    await expectWhole();
  }, 60_000);

  test("a link that somebody plugs in by hand stays theirs", async () => {
    await ovs.vsctl("del-port", "br7", PORT, "--", "add-port", "br7", PORT);
    const told = `${PORT} is a port of bridge br7 already, that is none of ours`;
    await until("it is told", async () => daemon.lines().join("\n").includes(told));
    expect(await ovs.vsctl("get", "port", PORT, "external_ids")).toBe("{}");
    await ovs.vsctl("del-port", "br7", PORT);
    await expectWhole();
  }, 60_000);

  test("nothing of ours is left in the end, whatever others took before", async () => {
    await ovs.vsctl("del-port", "br7", PORT);
    await sandbox.giveBack(daemon);
    for (const call of [["Leave", IDS] as const, ["DeleteEndpoint", IDS] as const]) await done(daemon, call);
    await done(daemon, deleteNetwork(NETWORK));
    for (const table of ["Bridge", "Port", "QoS"])
      await until(`no row of ${table} is left`, async () => (await ovs.vsctl("list", table)) === "");
  }, 60_000);
});
