import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { PEER_STEPS } from "../../src/engine/steps.ts";
import { overlayNamesOf, tunnelNameOf } from "../../src/lib/ifname.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import type { Output } from "../ground/run.ts";
import { until } from "../ground/until.ts";
import {
  addLan,
  type DockerCall,
  deleteNetwork,
  done,
  idOf,
  jsonOf,
  refused,
  speakingTo,
} from "./docker-calls.ts";
import { type LoneDaemon, startLoneDaemon } from "./lone-daemon.ts";

/** `underlay peer …` of the shipped program, on a network that a real Open vSwitch has and on which a container is. */

const NETWORK = idOf(0x42);
const OWNER = `docker:${NETWORK}`;
/** Of the host that the daemon is on; the peers are nowhere. */
const OWN = "192.0.2.1";
const [OPTION, FIRST, SECOND] = ["192.0.2.2", "192.0.2.3", "192.0.2.4"];

function create(options: Readonly<Record<string, string>>, id = NETWORK, pool = "10.60.0"): DockerCall {
  const message = {
    NetworkID: id,
    Options: { "com.docker.network.generic": { datapath: "netdev", bridge: "br7", vni: "42", ...options } },
    IPv4Data: [{ AddressSpace: "LocalDefault", Pool: `${pool}.0/24`, Gateway: `${pool}.1/24` }],
    IPv6Data: [],
  };
  return ["CreateNetwork", message];
}

const ids = { NetworkID: NETWORK, EndpointID: idOf(7) };
const Interface = { Address: "10.60.0.7/24", AddressIPv6: "", MacAddress: "" };

interface Peers {
  readonly peers: readonly { readonly address: string; readonly from: string; readonly state: string }[];
}

async function peersOf(daemon: LoneDaemon): Promise<string[]> {
  const { peers } = await jsonOf<Peers>(daemon, "peer", "ls", NETWORK.slice(-64, -50), "--sort=address");
  return peers.map(({ address, from, state }) => `${address} ${from} ${state}`);
}

/** Far ends of the tunnels that the switch has. */
async function tunnelsOf(ovs: Switch): Promise<string[]> {
  const options = await ovs.vsctl("--bare", "--columns=options", "find", "Interface", "type=vxlan");
  return [...options.matchAll(/remote_ip=(\S+)/g)].map(([, peer = ""]) => peer).sort();
}

const ok = ({ code, stdout, stderr }: Output) => expect([code, stderr, stdout]).toEqual([0, "", stdout]);

describe.each([...AGES])("a network's peers, %s", (age) => {
  const things = disposedAfterAll();
  let daemon: LoneDaemon;
  let ovs: Switch;
  const start = () => daemon.start({ flags: [`--ovsdb=unix:${ovs.socket}`] });
  const peer = (...words: string[]) => daemon.cli("peer", ...words);

  beforeAll(async () => {
    const lone = things.use(await startLoneDaemon());
    ovs = things.use(await startSwitch({ age, netns: lone.netns }));
    await addLan(lone);
    await lone.ip(`address add ${OWN}/24 dev lan0`);
    await lone.stop();
    daemon = speakingTo(lone, "underlay-ovs");
    await start();
    await done(daemon, create({ peers: OPTION }));
    await done(daemon, ["CreateEndpoint", { ...ids, Interface, Options: {} }]);
    await done(daemon, ["Join", { ...ids, SandboxKey: "/var/run/docker/netns/x", Options: {} }]);
  }, 600_000);

  /** All that a container's port is, and its link. */
  async function portOfContainer(): Promise<string> {
    const name = (await ovs.vsctl("list-ports", "br7")).split("\n").find((each) => each.startsWith("ulo-"));
    const columns = "--columns=_uuid,ofport,ifindex,mtu,link_state";
    return `${name} ${await ovs.vsctl(columns, "list", "Interface", name ?? "")}`;
  }

  test("come and go, and a container does not notice", async () => {
    const before = await portOfContainer();
    const added = await peer("add", NETWORK, FIRST, SECOND, OPTION);
    expect([added.code, added.stdout]).toEqual([
      0,
      `${FIRST} added\n${SECOND} added\n${OPTION} is there already\n`,
    ]);
    expect(await peersOf(daemon)).toEqual([
      `${OPTION} option made`,
      `${FIRST} learnt made`,
      `${SECOND} learnt made`,
    ]);
    expect(await tunnelsOf(ovs)).toEqual([OPTION, FIRST, SECOND]);
    const flows = () => ovs.ofctl("dump-flows", overlayNamesOf(OWNER).bridge);
    const number = await ovs.vsctl("get", "Interface", tunnelNameOf(OWNER, SECOND), "ofport");
    expect(await flows()).toContain(`in_port=${number},`);

    ok(await peer("rm", OWNER, SECOND));
    expect(await tunnelsOf(ovs)).toEqual([OPTION, FIRST]);
    // Another port may have its number, and nothing of the gateway's flows is left for it.
    expect(await flows()).not.toContain(`in_port=${number},`);
    expect((await peer("rm", OWNER, SECOND)).stdout).toBe(`${SECOND} is no peer of this network\n`);
    expect(await portOfContainer()).toBe(before);
  });

  test("are told by network inspect, and by the records while no daemon runs", async () => {
    const { stdout } = await daemon.cli("network", "inspect", OWNER);
    expect(stdout).toContain(`${OPTION}  by option  ${tunnelNameOf(OWNER, OPTION)}  made\n`);
    expect(stdout).toContain(`${FIRST}  learnt  ${tunnelNameOf(OWNER, FIRST)}  made\n`);
    await daemon.stop();
    expect(await peersOf(daemon)).toEqual([`${OPTION} option unknown`, `${FIRST} learnt unknown`]);
    const { code, stderr } = await peer("add", NETWORK, SECOND);
    expect([code, stderr]).toEqual([3, expect.stringContaining("daemon is not running")]);
  });

  test("that others took away while no daemon ran are made again at its start", async () => {
    await ovs.vsctl("del-port", tunnelNameOf(OWNER, FIRST));
    await start();
    expect(await tunnelsOf(ovs)).toEqual([OPTION, FIRST]);
    expect(await peersOf(daemon)).toEqual([`${OPTION} option made`, `${FIRST} learnt made`]);
  });

  test("outlive a boot that left nothing in the switch", async () => {
    await daemon.kill9();
    await ovs.vsctl("del-br", "br7", "--", "del-br", overlayNamesOf(OWNER).bridge);
    await start();
    await until("the tunnels are back", async () => (await tunnelsOf(ovs)).join() === `${OPTION},${FIRST}`);
    expect(await peersOf(daemon)).toEqual([`${OPTION} option made`, `${FIRST} learnt made`]);
  });

  test("that ovs-vswitchd cannot reach are told in its words, and made again by another add", async () => {
    const broken = ["set", "Interface", tunnelNameOf(OWNER, FIRST), "options:remote_ip=nowhere.invalid"];
    await ovs.vsctl("--no-wait", "--", ...broken);
    await until("it says so", async () => (await peer("ls")).stdout.includes("failed: "));
    ok(await peer("add", NETWORK, FIRST));
    expect(await peersOf(daemon)).toEqual([`${OPTION} option made`, `${FIRST} learnt made`]);
  });

  test.each([
    [[OWN], 2, `${OWN} is an address of this host; its peers are the other ones`],
    [["10.60.0.9"], 2, "10.60.0.9 is in the network's own subnet 10.60.0.0/24"],
    [["beta"], 2, '"beta" is no IP address; peers are given by address, never by name'],
    [["0.0.0.0"], 2, '"0.0.0.0" is no host\'s address'],
    [["239.1.1.1"], 2, "is a group's address"],
    [
      ["2001:db8::3"],
      5,
      "leaves containers an MTU of 1430, and those of network docker:000000000000 have 1450",
    ],
  ] as const)("%p are refused", async (addresses, code, message) => {
    const refusal = await peer("add", NETWORK, SECOND, ...addresses);
    expect([refusal.code, refusal.stderr]).toEqual([code, expect.stringContaining(message)]);
    expect(await tunnelsOf(ovs)).toEqual([OPTION, FIRST]);
  });

  test("of the option cannot be removed", async () => {
    const { code, stderr } = await peer("rm", NETWORK, OPTION);
    expect([code, stderr]).toEqual([5, expect.stringContaining("is a peer by the network's option peers")]);
  });

  test("are refused while somebody else has the number, and nothing is left of the try", async () => {
    const theirs = ["type=vxlan", "options:remote_ip=192.0.2.9", "options:key=42"];
    await ovs.vsctl("add-port", "br7", "theirs", "--", "set", "interface", "theirs", ...theirs);
    const { code, stderr } = await peer("add", NETWORK, SECOND);
    expect([code, stderr]).toEqual([5, expect.stringContaining("taken on this host by tunnel theirs")]);
    await ovs.vsctl("del-port", "theirs");
    expect(await peersOf(daemon)).toEqual([`${OPTION} option made`, `${FIRST} learnt made`]);
  });

  test("are refused while ovs-vswitchd does not run, and not remembered; a removal is", async () => {
    await ovs.killVswitchd();
    try {
      const added = await peer("add", NETWORK, SECOND);
      expect([added.code, added.stderr]).toEqual([7, expect.stringContaining("ovs-vswitchd")]);
      await peer("rm", NETWORK, FIRST);
      expect((await peersOf(daemon)).map((line) => line.split(" ")[0])).toEqual([OPTION]);
    } finally {
      await ovs.startVswitchd();
    }
    ok(await peer("add", NETWORK, FIRST));
    expect(await tunnelsOf(ovs)).toEqual([OPTION, FIRST]);
  }, 60_000);

  test("of both families, on a network without containers", async () => {
    await done(daemon, ["DeleteEndpoint", ids]);
    ok(await peer("add", NETWORK, "2001:db8::3"));
    expect(await tunnelsOf(ovs)).toEqual([OPTION, FIRST, "2001:db8::3"]);
    expect((await daemon.cli("network", "inspect", OWNER)).stdout).toMatch(/^mtu +1430$/m);
  });

  test("have a number that is the network's alone, also when it has none of them; all goes with it", async () => {
    await done(daemon, deleteNetwork(NETWORK));
    expect(await tunnelsOf(ovs)).toEqual([]);
    await done(daemon, create({}));
    expect(await refused(daemon, create({ bridge: "br8" }, idOf(9), "10.61.0"))).toContain(
      "VNI 42 is taken on this host by network docker:000000000000; each network needs its own",
    );
    expect((await peer("ls", "--noheading")).stdout).toBe("");
    const itself = create({ bridge: "br8", vni: "43", peers: `${FIRST},${OWN}` }, idOf(9), "10.61.0");
    expect(await refused(daemon, itself)).toContain(`${OWN} is an address of this host`);
    await done(daemon, deleteNetwork(NETWORK));
    expect(await ovs.vsctl("list-br")).toBe("");
  });
});

describe("the daemon is killed", () => {
  const things = disposedAfterAll();
  let daemon: LoneDaemon;
  let ovs: Switch;

  beforeAll(async () => {
    const lone = things.use(await startLoneDaemon());
    ovs = things.use(await startSwitch({ age: "newest", netns: lone.netns }));
    await lone.stop();
    daemon = speakingTo(lone, "underlay-ovs");
  }, 600_000);
  afterEach(() => daemon.kill9());

  const start = (env: Readonly<Record<string, string>> = {}) =>
    daemon.start({ env, flags: [`--ovsdb=unix:${ovs.socket}`] });

  test.each(PEER_STEPS)(
    "at %s: the next one makes what the record says, and the verb can be repeated",
    async (step) => {
      const verb = step.startsWith("peers.add") ? "add" : "rm";
      await start();
      await done(daemon, create({ peers: OPTION }));
      if (verb === "rm") ok(await daemon.cli("peer", "add", NETWORK, FIRST));
      await daemon.stop();

      await start({ UNDERLAY_FAULT: `${step}:kill` });
      expect((await daemon.cli("peer", verb, NETWORK, FIRST)).code).toBe(3);
      expect(await daemon.ended()).toBe("SIGKILL");
      await start();
      const isPeer = (verb === "add") !== step.endsWith("before-record");
      expect(await tunnelsOf(ovs)).toEqual(isPeer ? [OPTION, FIRST] : [OPTION]);
      expect(await peersOf(daemon)).toHaveLength(isPeer ? 2 : 1);

      ok(await daemon.cli("peer", verb, NETWORK, FIRST));
      expect(await tunnelsOf(ovs)).toEqual(verb === "add" ? [OPTION, FIRST] : [OPTION]);
      await done(daemon, deleteNetwork(NETWORK));
      expect([await ovs.vsctl("list-br"), await tunnelsOf(ovs)]).toEqual(["", []]);
    },
  );
});
