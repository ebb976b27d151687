import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { holdPort } from "../../src/sys/held-port.ts";
import { type Dockerd, IMAGE, LASTING, startDockerd } from "../ground/dockerd.ts";
import { AGES, findEngine } from "../ground/engines.ts";
import { type PrivateHost, startHost } from "../ground/host.ts";
import { type TestNetns, testNetnsAt } from "../ground/netns.ts";
import { until } from "../ground/until.ts";
import { ip, lookAtForwarding, type NatScene, network, OUTSIDE, openNatScene } from "../live/nat-scene.ts";

/** A gateway of ours on a host whose dockerd keeps bridges and rules of its own, of both ages. */

const { host4, machine4 } = OUTSIDE;
const WEB = "10.1.0.2";
const NETWORK = network("br1", ["10.1.0.0/24"], [`8080 -> ${WEB}:80/tcp`]);

describe.each(AGES)("beside the %s dockerd", (age) => {
  const undo = new AsyncDisposableStack();
  let host: PrivateHost;
  let dockerd: Dockerd;
  let scene: NatScene;
  let web: TestNetns;
  let theirs: TestNetns;
  let theirAddress: string;

  beforeAll(async () => {
    host = undo.use(await startHost({ engine: await findEngine(age) }));
    dockerd = await startDockerd(host, { firewall: true });
    await dockerd.docker("run", "-d", "--name", "theirs", "-p", "8081:80", IMAGE, ...LASTING);
    scene = undo.use(await openNatScene({ at: `/proc/${host.pid}/ns/net` }));
    scene.bridge("br1", "10.1.0.1/24");
    web = await scene.container("br1", [`${WEB}/24`], ["10.1.0.1"]);
    theirs = undo.use(testNetnsAt(await netnsOf("theirs")));
    theirAddress = await dockerd.docker(
      "inspect",
      "-f",
      "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
      "theirs",
    );
    await scene.serve(theirs, 80, 81);
    scene.outside.ip("route", "add", "10.1.0.0/24", "via", host4);
    scene.outside.ip("route", "add", "172.16.0.0/12", "via", host4);
  }, 120_000);
  afterAll(() => undo.disposeAsync(), 60_000);

  /** Its pid is one of the private host's. */
  async function netnsOf(container: string): Promise<string> {
    const key = await dockerd.docker("inspect", "-f", "{{.NetworkSettings.SandboxKey}}", container);
    return host.outside(key.replace(/^\/var\/run/, "/run"));
  }

  const saved = async () =>
    (await host.must(["iptables", "-S"])).split("\n").filter((line) => line.includes("underlay"));
  /** What the doctor has to say of Docker's rules, for IPv4. */
  const blocked = async () =>
    (await lookAtForwarding(scene.host, "br1")).blocked
      .filter(({ chain: { family } }) => family === "ip")
      .map(({ way, link, by }) => `${way} ${link}: ${by}`);
  const passes = async () =>
    [
      await scene.ask(web, "tcp", machine4),
      await scene.ask(scene.outside, "tcp", host4, 8080),
      await scene.ask(scene.host, "tcp", "127.0.0.1", 8080),
    ].join(" ");
  const PASSING = [host4, machine4, "10.1.0.1"].join(" ");

  test("nothing passes before, for the policy of FORWARD is DROP", async () => {
    expect(await host.must(["iptables", "-S", "FORWARD"])).toStartWith("-P FORWARD DROP");
    expect(await scene.ask(web, "tcp", machine4)).toBe("timeout");
    expect(await blocked()).toContain("from br1: policy drop");
  });

  test("then all of ours does, and theirs as before", async () => {
    const before = await host.must(["iptables", "-S"]);
    await scene.gateway.apply([NETWORK]);
    expect(await passes()).toBe(PASSING);
    expect(await blocked()).toEqual([]);
    expect(await scene.ask(scene.outside, "tcp", host4, 8081)).toBe(machine4);
    expect(await scene.ask(theirs, "tcp", machine4)).toBe(host4);
    const lines = await saved();
    expect(lines.map((line) => line.replace(/ -m comment --comment "underlay: net-br1"/, ""))).toEqual([
      "-A DOCKER-USER -o br1 -j ACCEPT",
      "-A DOCKER-USER -i br1 -o docker0 -j RETURN",
      "-A DOCKER-USER -i br1 -j ACCEPT",
    ]);
    const now = (await host.must(["iptables", "-S"])).split("\n").filter((line) => !lines.includes(line));
    expect(now).toEqual(before.split("\n"));
  });

  test("published ports are the only way between their containers and ours, and from outside", async () => {
    expect(await scene.ask(web, "tcp", host4, 8081)).not.toMatch(/^(timeout|E)/);
    // Docker masquerades it as it leaves its bridge.
    expect(await scene.ask(theirs, "tcp", host4, 8080)).toBe("10.1.0.1");
    // What is published 20.10 lets in by the container's own address as well.
    expect(await scene.ask(web, "tcp", theirAddress, 81)).toBe("timeout");
    expect(await scene.ask(theirs, "tcp", WEB)).toBe("timeout");
    expect(await scene.ask(scene.outside, "tcp", WEB)).toBe("timeout");
  });

  test("a network that Docker makes later is out of reach as well", async () => {
    await dockerd.docker("network", "create", "--opt", "com.docker.network.bridge.name=later0", "later");
    await dockerd.docker("run", "-d", "--name", "late", "--network", "later", IMAGE, ...LASTING);
    await until("their bridge is told apart", async () => (await saved()).join().includes("-o later0"));
    const late = undo.use(testNetnsAt(await netnsOf("late")));
    await scene.serve(late, 80);
    const address = await dockerd.docker(
      "inspect",
      "-f",
      "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
      "late",
    );
    expect(await scene.ask(web, "tcp", address)).toBe("timeout");
    expect(await scene.ask(late, "tcp", machine4)).toBe(host4);
    expect(await passes()).toBe(PASSING);
  });

  test("a dockerd that stops and starts again, and one whose rules were flushed", async () => {
    await dockerd.stop();
    expect(await passes()).toBe(PASSING);
    await dockerd.start({ firewall: true });
    await scene.gateway.settled();
    expect(await passes()).toBe(PASSING);
    await host.must(["iptables", "-F"]);
    await until("ours are back", async () => (await saved()).length > 0);
    expect(await passes()).toBe(PASSING);
  });

  test("who has a port of the host's has it alone", async () => {
    await dockerd.docker("rm", "-f", "theirs");
    await dockerd.docker("run", "-d", "--name", "theirs", "-p", "8081:80", IMAGE, ...LASTING);
    const { libc, netns } = scene.host;
    const take = (port: number) => holdPort(libc, { protocol: "tcp", address: ip("0.0.0.0"), port, netns });
    expect(take(8081)).toBeUndefined();
    const held = take(8080);
    const second = await dockerd.tryDocker(["run", "--rm", "-p", "8080:80", IMAGE, "true"]);
    held?.close();
    expect(second.code).not.toBe(0);
    expect(second.stderr).toContain("address already in use");
  });

  test("with the last network nothing of ours is left", async () => {
    await scene.gateway.apply([]);
    expect(await saved()).toEqual([]);
    expect(scene.logged.filter((line) => line.startsWith("error"))).toEqual([]);
    await dockerd.stop();
  });
});
