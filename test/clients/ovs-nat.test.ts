import { beforeAll, describe, expect, test } from "bun:test";
import { AGES } from "../ground/engines.ts";
import type { Switch } from "../ground/ovs.ts";
import { ROUTER, type Scene } from "../ground/scene.ts";
import { until } from "../ground/until.ts";
import { dockerOnSwitch } from "./ovs-scene.ts";

// Mode nat as docker-ovs-plugin had it: the host is the gateway. The LAN's router knows no way to the containers.
describe.each([...AGES])("Open vSwitch behind the %s dockerd, mode nat", (age) => {
  const HOST = "10.77.0.2";
  const now = dockerOnSwitch(age, async ({ host }) => {
    await host.must(["ip", "address", "add", `${HOST}/24`, "dev", "lan0"]);
  });
  let scene: Scene;
  let ovs: Switch;
  beforeAll(() => {
    ({ scene, ovs } = now());
  });

  const create = (...args: string[]) => now().create(...args);
  // Its wget ends with a fault where the C library is static and of Debian 12.
  const get = (address: string, port: number) => [
    "sh",
    "-c",
    `printf 'GET / HTTP/1.0\r\n\r\n' | busybox nc -w 5 ${address} ${port} | busybox tail -n 1`,
  ];
  const asks = (port: number) => scene.host.router(get(HOST, port));
  const serve = (name: string, ...args: string[]) =>
    scene.dockerd.docker(
      ...["run", "-d", "--name", name, ...args, "busybox-test:1"],
      ...["sh", "-c", `echo ${name} >/tmp/index.html; exec httpd -f -p 80 -h /tmp`],
    );

  test("containers reach each other, the gateway and the LAN; ports come and go", async () => {
    await create("--subnet", "172.30.1.0/24", "nat1");
    for (const name of ["one", "two"]) await serve(name, "--network", "nat1");
    expect(await now().ports()).toHaveLength(2);
    const address = await scene.dockerd.docker(
      ...["inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "two"],
    );
    expect(await scene.exec("one", ...get(address, 80))).toBe("two");
    for (const to of ["172.30.1.1", ROUTER.v4])
      expect([to, await scene.pings("one", to)]).toEqual([to, true]);
    expect(await scene.pings("one", "two")).toBe(true);
    await scene.dockerd.docker("rm", "-f", "one");
    expect(await now().ports()).toHaveLength(1);
  });

  test("published ports are reached from the LAN, the host and the container itself", async () => {
    await create("--subnet", "172.30.1.0/24", "nat1");
    await serve("web", "--network", "nat1", "-p", "8080:80");
    await until("it serves", async () => (await asks(8080)) === "web");
    for (const from of [HOST, "127.0.0.1"]) {
      expect([from, await scene.host.must(get(from, 8080))]).toEqual([from, "web"]);
    }
    expect(await scene.exec("web", ...get(HOST, 8080))).toBe("web");
    const taken = await scene.dockerd.tryDocker([
      ...["run", "-d", "--name", "second", "--network", "nat1", "-p", "8080:80", "busybox-test:1", "true"],
    ]);
    expect(taken.code).not.toBe(0);
    expect(taken.stderr).toContain("8080");
  });

  test("without an IPAM driver it is the old plugin's network: 172.18.40.0/24", async () => {
    await create("--ipam-driver", "null", "old");
    await serve("one", "--network", "old");
    expect(await scene.exec("one", "ip", "-4", "-o", "address", "show", "eth0")).toContain("172.18.40.2/24");
    expect(await scene.exec("one", "ip", "link", "show", "eth0")).toContain("mtu 1450");
    expect(await scene.pings("one", ROUTER.v4)).toBe(true);
  });

  test("doctor does not take the bridge for the parent of a macvlan, which its own host never reaches", async () => {
    await create("--subnet", "172.30.1.0/24", "nat1");
    const { parents, findings } = JSON.parse((await scene.underlay.tryCli("doctor", "-o", "json")).stdout);
    expect(parents).toEqual([]);
    expect(findings.map(({ id }: { id: string }) => id)).not.toContain("UL-I14");
    expect((await scene.underlay.tryCli("doctor", "--active")).stdout).toContain("no network has a NIC");
  });

  test("a subnet that the host is in already is refused", async () => {
    const made = await scene.dockerd.tryDocker([
      ...[
        "network",
        "create",
        "-d",
        "underlay-ovs",
        "-o",
        "datapath=netdev",
        "--subnet",
        "10.77.0.0/24",
        "bad",
      ],
    ]);
    expect(made.code).not.toBe(0);
    expect(made.stderr).toContain("which this host reaches through lan0");
  });

  test("the alias is the old plugin's name", async () => {
    await scene.dockerd.docker(
      ...["network", "create", "-d", "ovs", "-o", "ovs.bridge.name=br7", "-o", "datapath=netdev"],
      ...["--subnet", "172.30.7.0/24", "seven"],
    );
    await serve("one", "--network", "seven");
    expect(await ovs.vsctl("list-br")).toBe("br7");
    expect(await scene.pings("one", "172.30.7.1")).toBe(true);
  });

  test("what runs goes on through a kill -9 of the daemon, and is known again", async () => {
    await create("--subnet", "172.30.1.0/24", "nat1");
    await serve("web", "--network", "nat1", "-p", "8080:80");
    await scene.underlay.kill9();
    expect(await asks(8080)).toBe("web");
    await scene.underlay.start();
    expect(await asks(8080)).toBe("web");
    await scene.dockerd.docker("restart", "-t0", "web");
    await until("it serves", async () => (await asks(8080)) === "web");
  });

  test("ovsdb-server and ovs-vswitchd are killed and come back: what runs goes on, and new ones start", async () => {
    await create("--subnet", "172.30.1.0/24", "nat1");
    await serve("web", "--network", "nat1", "-p", "8080:80");
    await ovs.killDatabase();
    await ovs.killVswitchd();
    const start = ["run", "-d", "--name", "late", "--network", "nat1", "busybox-test:1", "true"];
    const refused = await scene.dockerd.tryDocker(start);
    expect(refused.code).not.toBe(0);
    await ovs.startDatabase();
    await ovs.startVswitchd();
    await until("it serves again", async () => (await asks(8080)) === "web");
    await scene.dockerd.tryDocker(["rm", "-f", "late"]);
    await serve("late", "--network", "nat1");
    expect(await scene.pings("late", "web")).toBe(true);
  });
});
