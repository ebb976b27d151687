import { beforeAll, describe, expect, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { type Dockerd, IMAGE, LASTING, startDockerd } from "../ground/dockerd.ts";
import { AGES, findEngine } from "../ground/engines.ts";
import { type PrivateHost, startHost } from "../ground/host.ts";

// The ground itself, with Docker's built-in macvlan: what fails here is not our driver's fault.
describe.each([...AGES])("a private host with the %s dockerd", (age) => {
  const things = disposedAfterAll();
  let host: PrivateHost;
  let dockerd: Dockerd;

  beforeAll(async () => {
    const engine = await findEngine(age);
    host = things.use(await startHost({ engine, routerAddresses: ["10.77.0.1/24", "fd77::1/64"] }));
    dockerd = await startDockerd(host);
  }, 600_000);

  test("is of its age", async () => {
    const version = await dockerd.docker("version", "--format", "{{.Server.Version}}");
    expect(version).toStartWith(host.engine.version.split("+")[0] ?? "");
  });

  test("has a LAN with a router that a container reaches", async () => {
    const network = ["network", "create", "-d", "macvlan", "-o", "parent=lan0"];
    await dockerd.docker(...network, "--subnet", "10.77.0.0/24", "--gateway", "10.77.0.1", "lan");
    const ping = await dockerd.docker(
      "run",
      "--rm",
      "--network",
      "lan",
      IMAGE,
      "ping",
      "-c1",
      "-W2",
      "10.77.0.1",
    );
    expect(ping).toContain("1 packets received");
    await dockerd.docker("network", "rm", "lan");
  });

  test("sees only links of its own", async () => {
    const links: { ifname: string }[] = JSON.parse(await host.must(["ip", "-j", "link"]));
    expect(links.map((link) => link.ifname).sort()).toEqual(["lan0", "lo"]);
  });

  test("comes back from a crash with its containers killed, and without when they are kept alive", async () => {
    await dockerd.docker("run", "-d", "--name", "c1", "--network", "none", IMAGE, ...LASTING);
    await dockerd.kill9();
    await dockerd.start({ liveRestore: true });
    expect(await dockerd.docker("ps", "--format", "{{.Names}}")).toBe("c1");
    await dockerd.kill9();
    await dockerd.start();
    expect(await dockerd.docker("ps", "--format", "{{.Names}}")).toBe("");
    await dockerd.docker("rm", "c1");
  }, 60_000);
});
