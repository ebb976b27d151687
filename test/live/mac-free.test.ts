import { expect, test } from "bun:test";
import { parseMac } from "../../src/lib/mac.ts";
import { macvlanDriver } from "../../src/links/macvlan/driver.ts";
import { makeLan } from "./lan.ts";

test("a MAC is free when no link in any netns holds it, also one that no walk can find", async () => {
  using lan = makeLan();
  using container = lan.container();
  const mac = parseMac("02:00:5e:00:53:10");
  if (!mac) throw new Error("no MAC");
  lan.ip("link add eth0 type veth peer name eth0-peer");
  for (const name of ["eth0", "eth0-peer"]) lan.ip(`link set ${name} up`);
  const before = lan.links();
  const parent = Number(JSON.parse(lan.ip("-j link show eth0"))[0].ifindex);
  const { isFree } = macvlanDriver(lan.requests, lan.scratch, {});
  const look = () =>
    isFree(
      parent,
      { mac, addresses: [] },
      { kind: "macvlan", parent: { how: "name", name: "eth0" }, mode: "bridge" },
    );
  expect(await look()).toBe(true);
  lan.ip(`link add held link eth0 address ${mac} type macvlan mode bridge`);
  lan.ip(`link set held netns ${container.pid}`);
  expect(await look()).toBe(true);
  container.ip("link set held up");
  expect(await look()).toBe(false);
  container.ip("link del held");
  expect(await look()).toBe(true);
  expect(lan.links()).toEqual(before);
});
