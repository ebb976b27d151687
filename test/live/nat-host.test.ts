import { expect, test } from "bun:test";
import type { LogLevel } from "../../src/lib/log.ts";
import { startNetlinkThread } from "../../src/netlink/thread.ts";
import { MACHINE_SYSCTLS, natHost } from "../../src/wiring/nat.ts";
import { nft } from "../ground/nft.ts";
import { until } from "../ground/until.ts";
import { ip, network, openNatScene } from "./nat-scene.ts";

/** Put together as the daemon has it: requests in one thread, events in another. */

const startWorker = () => new Worker(new URL("../../src/netlink/worker.ts", import.meta.url).href);

test("networks come, are flushed, come back and go; ports are held beside them", async () => {
  await using scene = await openNatScene();
  scene.bridge("br1", "10.1.0.1/24");
  const { libc, netns } = scene.host;
  const errors: string[] = [];
  const thread = startNetlinkThread(startWorker);
  const host = natHost({
    libc,
    thread,
    startWorker,
    netns,
    sysctls: scene.sysctls,
    log: (level: LogLevel, message) => void (level === "error" && errors.push(message)),
    onError: (error) => void errors.push(error.message),
  });
  try {
    const web = await scene.container("br1", ["10.1.0.2/24"], ["10.1.0.1"]);
    const ports = host.ports.hold("web", [ip("10.1.0.2")], [{ protocol: "tcp", containerPort: 80 }]);
    expect(ports[0]?.hostPort).toBe(32_768);
    await host.gateway.apply([{ ...network("br1", ["10.1.0.0/24"]), ports }]);
    expect(await scene.ask(scene.outside, "tcp", "192.0.2.1", 32_768)).toBe("192.0.2.2");
    await nft(scene.host, "flush", "ruleset");
    await until("it is back", async () => (await nft(scene.host, "list", "ruleset")).includes("32768"));
    expect(await scene.ask(web, "tcp", "192.0.2.2")).toBe("192.0.2.1");
    host.ports.release("web");
    await Promise.all([host.gateway.apply([network("br1", ["10.1.0.0/24"])]), host.gateway.apply([])]);
    expect(await nft(scene.host, "list", "ruleset")).toBe("");
  } finally {
    await host.close();
    thread.close();
  }
  expect(errors).toEqual([]);
});

test("the settings of this machine are read, and what is not there is told apart from what is", () => {
  expect(MACHINE_SYSCTLS.read("ipv4/ip_forward")).toMatch(/^[01]$/);
  expect(MACHINE_SYSCTLS.read("ipv4/conf/no-such-link/forwarding")).toBeUndefined();
  expect(MACHINE_SYSCTLS.list("ipv4/conf")).toContain("lo");
  expect(MACHINE_SYSCTLS.list("ipv4/no-such-folder")).toEqual([]);
});
