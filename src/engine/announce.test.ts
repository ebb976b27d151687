import { expect, test } from "bun:test";
import { cidr, endpointRequest, networkRequest, World } from "./world.fixture.ts";

/** Which addresses the neighbours of a parent are told when it has moved to another port. */

const ETH0 = 2;

async function withContainers(kind: "macvlan" | "ipvlan", options: Record<string, string> = {}) {
  const world = new World();
  const engine = world.start();
  await engine.networks.ensure(networkRequest({ kind, options: { parent: "eth0", ...options } }));
  await engine.endpoints.declare(endpointRequest("a", { addresses: [cidr("10.6.0.7/24")] }));
  await engine.endpoints.declare(endpointRequest("b", { addresses: [cidr("10.6.0.8/24")] }));
  await engine.endpoints.declare(endpointRequest("declared", { addresses: [cidr("10.6.0.9/24")] }));
  await engine.endpoints.provision("docker:net1/a");
  await engine.endpoints.provision("docker:net1/b");
  return { world, engine };
}

test("those of links that have their parent's MAC, where there are any", async () => {
  const { world, engine } = await withContainers("ipvlan");
  await engine.announce(ETH0);
  expect(world.announced).toEqual([[ETH0, "10.6.0.7", "10.6.0.8"]]);
});

test("the host's own on such a network, too", async () => {
  const access = { host_access: "true", host_address: "10.6.0.3" };
  const { world, engine } = await withContainers("ipvlan", access);
  await engine.announce(ETH0);
  expect(world.announced).toEqual([[ETH0, "10.6.0.7", "10.6.0.8", "10.6.0.3"]]);
});

test("none of another parent's, nor those of a former boot", async () => {
  const { world, engine } = await withContainers("ipvlan");
  await engine.announce(ETH0 + 1);
  world.bootId = "boot-2";
  const next = world.start();
  await next.refresh();
  await next.announce(ETH0);
  expect(world.announced).toEqual([]);
});

test("none of those that tell it themselves, or answer no ARP", async () => {
  for (const { world, engine } of [
    await withContainers("macvlan"),
    await withContainers("ipvlan", { ipvlan_mode: "l3" }),
  ]) {
    await engine.announce(ETH0);
    expect(world.announced).toEqual([]);
  }
});
