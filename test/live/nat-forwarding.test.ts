import { afterEach, beforeEach, expect, test } from "bun:test";
import { join } from "node:path";
import type { TestNetns } from "../ground/netns.ts";
import { must } from "../ground/run.ts";
import { until } from "../ground/until.ts";
import { type NatScene, network, OUTSIDE, openNatScene } from "./nat-scene.ts";

/** What the kernel asks before it forwards: less than the switches for all links would not do. */

const { machine4, machine6, host4, host6 } = OUTSIDE;
const NETWORK = network("br1", ["10.1.0.0/24", "fd00:1::/64"]);
const ADVERTISE = join(import.meta.dir, "../ground/router-advertise.py");
let scene: NatScene;
let web: TestNetns;
beforeEach(async () => {
  scene = await openNatScene();
  scene.bridge("br1", "10.1.0.1/24", "fd00:1::1/64");
  web = await scene.container("br1", ["10.1.0.2/24", "fd00:1::2/64"], ["10.1.0.1", "fd00:1::1"]);
});
afterEach(() => scene[Symbol.asyncDispose]());

test("IPv4: by the bridge alone packets go and no answer comes; it is the uplink that lets those in", async () => {
  await scene.gateway.apply([NETWORK]);
  scene.sysctls.write("ipv4/ip_forward", "0");
  scene.sysctls.write("ipv4/conf/br1/forwarding", "1");
  expect(await scene.ask(web, "tcp", machine4)).toBe("timeout");
  scene.sysctls.write("ipv4/conf/up0/forwarding", "1");
  expect(await scene.ask(web, "tcp", machine4)).toBe(host4);
  scene.sysctls.write("ipv4/conf/br1/forwarding", "0");
  expect(await scene.ask(web, "tcp", machine4)).toMatch(/^(timeout|E)/);
  await scene.gateway.apply([NETWORK]);
  expect(await scene.ask(web, "tcp", machine4)).toBe(host4);
});

test("IPv6: no link's own switch does, and who learns routes from routers keeps them", async () => {
  const routes = () => scene.host.ip("-6", "route", "show", "default");
  const advertise = () =>
    must(["nsenter", `--net=${scene.outside.path}`, "python3", ADVERTISE, "eth0", "2001:db8:9::/64"]);
  await until("the host has heard the router", async () => {
    await advertise();
    return routes().includes("proto ra");
  });
  await scene.gateway.apply([NETWORK]);
  expect(await scene.ask(web, "tcp", machine6)).toBe(host6);
  expect(routes()).toContain("proto ra");
  expect(scene.sysctls.read("ipv6/conf/up0/accept_ra")).toBe("2");
  scene.sysctls.write("ipv6/conf/all/forwarding", "0");
  for (const link of ["br1", "up0"]) scene.sysctls.write(`ipv6/conf/${link}/forwarding`, "1");
  expect(await scene.ask(web, "tcp", machine6)).toMatch(/^(timeout|E)/);
});
