import { describe, expect, test } from "bun:test";
import { UnderlayError } from "../lib/errors.ts";
import { BAD_PEER, OWN_ADDRESS, peersIn } from "./drivers.fixture.ts";
import type { Engine } from "./engine.ts";
import type { NetworkRecord } from "./records.ts";
import { PEER_STEPS } from "./steps.ts";
import { endpointRequest, networkRequest, World } from "./world.fixture.ts";

/** Hosts that a network learns of after it was made. */

const NET = "docker:net1";
const OPTIONS = { vni: "42", peers: "192.0.2.2" };
const request = (options: Record<string, string> = OPTIONS) => networkRequest({ kind: "ovs", options });

async function started(options?: Record<string, string>): Promise<{ world: World; engine: Engine }> {
  const world = new World();
  const engine = world.start();
  await engine.networks.ensure(request(options));
  return { world, engine };
}

const shown = (engine: Engine) =>
  engine.networks.rows()[0]?.tunnel?.peers.map(({ address, from }) => `${address} ${from}`);

describe("peers that are added", () => {
  test("get tunnels beside those of the option; what is there already is said so", async () => {
    const { world, engine } = await started();
    expect<unknown>(await engine.peers.add(NET, peersIn("192.0.2.3 192.0.2.2 192.0.2.3"))).toEqual([
      { address: "192.0.2.3", outcome: "added" },
      { address: "192.0.2.2", outcome: "there" },
    ]);
    expect(world.tunnels.get(NET)).toEqual(["192.0.2.2", "192.0.2.3"]);
    expect(shown(engine)).toEqual(["192.0.2.2 option", "192.0.2.3 learnt"]);
    expect(await engine.peers.add(NET, peersIn("192.0.2.3"))).toMatchObject([{ outcome: "there" }]);
    expect(world.tunnels.get(NET)).toEqual(["192.0.2.2", "192.0.2.3"]);
  });

  test("are made again when they are there and their tunnel is not", async () => {
    const { world, engine } = await started();
    await engine.peers.add(NET, peersIn("192.0.2.3"));
    world.tunnels.clear();
    await engine.peers.add(NET, peersIn("192.0.2.3"));
    expect(world.tunnels.get(NET)).toEqual(["192.0.2.2", "192.0.2.3"]);
  });

  test("outlive a restart, and the same network asked for again is the same", async () => {
    const { world, engine } = await started();
    await engine.peers.add(NET, peersIn("192.0.2.3"));
    world.tunnels.clear();
    const next = world.start();
    await next.networks.ensure(request());
    await next.refresh();
    expect(world.tunnels.get(NET)).toEqual(["192.0.2.2", "192.0.2.3"]);
    expect(shown(next)).toEqual(["192.0.2.2 option", "192.0.2.3 learnt"]);
  });

  test("one after another, each on what the one before it left", async () => {
    const { world, engine } = await started();
    await Promise.all([
      engine.peers.add(NET, peersIn("192.0.2.3")),
      engine.peers.add(NET, peersIn("192.0.2.4 192.0.2.5")),
      engine.peers.remove(NET, peersIn("192.0.2.4")),
    ]);
    expect(world.tunnels.get(NET)).toEqual(["192.0.2.2", "192.0.2.3", "192.0.2.5"]);
  });

  test("to which no tunnel can be made leave the network with those of before", async () => {
    const { world, engine } = await started();
    await engine.peers.add(NET, peersIn("192.0.2.3"));
    await expect(engine.peers.add(NET, peersIn(`192.0.2.4 ${BAD_PEER}`))).rejects.toThrow("no tunnel to");
    expect(world.tunnels.get(NET)).toEqual(["192.0.2.2", "192.0.2.3"]);
    expect(shown(engine)).toEqual(["192.0.2.2 option", "192.0.2.3 learnt"]);
    expect(shown(world.start())).toEqual(["192.0.2.2 option", "192.0.2.3 learnt"]);
  });

  test("while the switch does not answer are not remembered", async () => {
    const { world, engine } = await started();
    world.prepareFailure = new UnderlayError("timeout", "ovs-vswitchd does not answer");
    await expect(engine.peers.add(NET, peersIn("192.0.2.3"))).rejects.toThrow("does not answer");
    expect(shown(world.start())).toEqual(["192.0.2.2 option"]);
  });
});

describe("peers that are removed", () => {
  test("lose their tunnels; one that is none is no failure, and one of the option is", async () => {
    const { world, engine } = await started();
    await engine.peers.add(NET, peersIn("192.0.2.3 192.0.2.4"));
    expect<unknown>(await engine.peers.remove(NET, peersIn("192.0.2.3 192.0.2.9"))).toEqual([
      { address: "192.0.2.3", outcome: "removed" },
      { address: "192.0.2.9", outcome: "absent" },
    ]);
    expect(world.tunnels.get(NET)).toEqual(["192.0.2.2", "192.0.2.4"]);
    await expect(engine.peers.remove(NET, peersIn("192.0.2.2 192.0.2.4"))).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("192.0.2.2 is a peer by the network's option peers"),
    });
    expect(shown(engine)).toEqual(["192.0.2.2 option", "192.0.2.4 learnt"]);
    await engine.peers.remove(NET, peersIn("192.0.2.4"));
    expect(world.store.table<NetworkRecord>("networks").get(NET)?.body.learnt).toBeUndefined();
  });

  test("while the switch does not answer go when it does", async () => {
    const { world, engine } = await started();
    await engine.peers.add(NET, peersIn("192.0.2.3"));
    world.prepareFailure = new UnderlayError("timeout", "ovs-vswitchd does not answer");
    await expect(engine.peers.remove(NET, peersIn("192.0.2.3"))).rejects.toThrow("does not answer");
    world.prepareFailure = undefined;
    await world.start().refresh();
    expect(world.tunnels.get(NET)).toEqual(["192.0.2.2"]);
  });

  test("go with their network", async () => {
    const { engine } = await started();
    await engine.peers.add(NET, peersIn("192.0.2.3"));
    await engine.networks.remove(NET);
    await engine.networks.ensure(request());
    expect(shown(engine)).toEqual(["192.0.2.2 option"]);
  });
});

describe("refused", () => {
  test("a network that has no vni, is of another kind, or is not there", async () => {
    const { engine } = await started({});
    await engine.networks.ensure(networkRequest({ owner: "docker:net2" }));
    const peers = peersIn("192.0.2.3");
    for (const verb of [engine.peers.add, engine.peers.remove]) {
      await expect(verb(NET, peers)).rejects.toThrow(
        "network docker:net1 was created without -o vni=: only networks on Open vSwitch with a vni have peers",
      );
      await expect(verb("docker:net2", peers)).rejects.toThrow(
        "network docker:net2 is of kind macvlan: only",
      );
      await expect(verb("docker:net3", peers)).rejects.toMatchObject({ code: "not_found" });
    }
  });

  test("the host's own addresses and those of containers, all at once; nothing of the call is done", async () => {
    const { world, engine } = await started();
    const peers = peersIn(`192.0.2.3 ${OWN_ADDRESS} 10.6.0.7`);
    await expect(engine.peers.add(NET, peers)).rejects.toMatchObject({
      code: "invalid_option",
      message:
        "10.6.0.7 is in the network's own subnet 10.6.0.0/24; a peer is the address of a host, not of a container; " +
        "192.0.2.1 is an address of this host; its peers are the other ones",
    });
    expect(world.tunnels.get(NET)).toEqual(["192.0.2.2"]);
  });

  test("the same in the option, and no network is made", async () => {
    const world = new World();
    const engine = world.start();
    const create = engine.networks.ensure(request({ vni: "42", peers: `192.0.2.2 ${OWN_ADDRESS}` }));
    await expect(create).rejects.toThrow("192.0.2.1 is an address of this host");
    expect([engine.networks.rows(), world.parents.has("ovsbr0")]).toEqual([[], false]);
  });

  test("what would leave containers that are there with too large packets", async () => {
    const { world, engine } = await started();
    await engine.endpoints.declare(endpointRequest("a"));
    await expect(engine.peers.add(NET, peersIn("2001:db8::3"))).rejects.toMatchObject({
      code: "conflict",
      message:
        "the way to 2001:db8::3 leaves containers an MTU of 1380, and those of network docker:net1 have 1400: add it " +
        "while the network has no containers, or make the network again with -o mtu=1380",
    });
    await engine.peers.add(NET, peersIn("192.0.2.3"));
    await engine.endpoints.forget("docker:net1/a");
    await engine.peers.add(NET, peersIn("2001:db8::3"));
    expect(world.tunnels.get(NET)).toEqual(["192.0.2.2", "192.0.2.3", "2001:db8::3"]);
  });
});

describe.each(PEER_STEPS)("an end at %s", (step) => {
  test("leaves what the record says, and the next start makes it so", async () => {
    const { world, engine } = await started();
    await engine.peers.add(NET, peersIn("192.0.2.3"));
    world.onStep = (reached) => {
      if (reached !== step) return;
      throw new UnderlayError("internal", `ended at ${step}`);
    };
    const [verb, peer] = step.startsWith("peers.add")
      ? ([engine.peers.add, "192.0.2.4"] as const)
      : ([engine.peers.remove, "192.0.2.3"] as const);
    await expect(verb(NET, peersIn(peer))).rejects.toThrow("ended at");
    world.onStep = () => undefined;
    const next = world.start();
    await next.refresh();
    const peers = shown(next)?.map((each) => each.split(" ")[0] ?? "");
    expect(world.tunnels.get(NET)).toEqual(peers);
    await (step.startsWith("peers.add") ? next.peers.add : next.peers.remove)(NET, peersIn(peer));
    expect(world.tunnels.get(NET)).toEqual(
      step.startsWith("peers.add") ? ["192.0.2.2", "192.0.2.3", "192.0.2.4"] : ["192.0.2.2"],
    );
  });
});

describe("the number of a network's tunnels", () => {
  test("is its own on this host, also while it has no peers; the holder is named", async () => {
    const { world, engine } = await started({ vni: "42" });
    const other = { ...request({ vni: "42", bridge: "ovsbr1" }), owner: "docker:net2" };
    await expect(engine.networks.ensure(other)).rejects.toMatchObject({
      code: "conflict",
      message: "VNI 42 is taken on this host by network docker:net1; each network needs its own",
    });
    expect([engine.networks.rows().length, world.parents.has("ovsbr1")]).toEqual([1, false]);
    await engine.networks.ensure({ ...other, options: { vni: "43" } });
    await engine.networks.ensure(request({ vni: "42" }));
    await engine.networks.remove(NET);
    await engine.networks.ensure({ ...request({ vni: "42" }), owner: "docker:net3" });
  });
});
