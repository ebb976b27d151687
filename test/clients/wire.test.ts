import { beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { type Dockerd, IMAGE, startDockerd } from "../ground/dockerd.ts";
import { AGES, findEngine } from "../ground/engines.ts";
import { startHost } from "../ground/host.ts";
import { type Recorder, startRecorder } from "../ground/recorder.ts";

// What dockerd really puts on the wire, recorded by a driver that does nothing. Our adapter is built on these facts;
// a newer Docker that changes one of them shows here first.
describe.each([...AGES])("the %s dockerd tells a driver", (age) => {
  const things = disposedAfterAll();
  let dockerd: Dockerd;
  let recorder: Recorder;

  beforeAll(async () => {
    const host = things.use(await startHost({ engine: await findEngine(age) }));
    dockerd = await startDockerd(host);
    recorder = things.use(startRecorder(host, "recorder"));
  }, 600_000);
  beforeEach(() => recorder.forget());

  const create = async (name: string, ...args: string[]) => {
    await dockerd.docker("network", "create", "-d", "recorder", ...args, name);
    expect(recorder.bodies("NetworkDriver.CreateNetwork")).toHaveLength(1);
    return recorder.bodies("NetworkDriver.CreateNetwork")[0];
  };

  test("nothing of an IPv6 subnet that came without --ipv6", async () => {
    const v4 = ["--subnet", "10.1.0.0/24", "--gateway", "10.1.0.1"];
    expect(await create("no6", ...v4, "--subnet", "fd01::/64", "--gateway", "fd01::1")).toMatchObject({
      Options: { "com.docker.network.enable_ipv6": false },
      IPv4Data: [{ Pool: "10.1.0.0/24", Gateway: "10.1.0.1/24" }],
      IPv6Data: [],
    });
  });

  test("a pool of its own, and no word about it, when no subnet was given", async () => {
    expect(await create("any")).toMatchObject({
      IPv4Data: [
        {
          Pool: expect.stringMatching(/^172\.\d+\.0\.0\/16$/),
          Gateway: expect.stringMatching(/\.0\.1\/16$/),
        },
      ],
    });
    recorder.forget();
    expect(await create("only6", "--subnet", "fd02::/64")).toMatchObject({
      IPv4Data: [{ Pool: expect.stringMatching(/^172\.\d+\.0\.0\/16$/) }],
      IPv6Data: [],
    });
  });

  test("a gateway that nobody gave: the first address of the range", async () => {
    const ipam = ["--subnet", "10.5.0.0/24", "--ip-range", "10.5.0.128/25", "--aux-address", "nas=10.5.0.5"];
    expect(await create("range", ...ipam)).toMatchObject({
      IPv4Data: [{ Pool: "10.5.0.0/24", Gateway: "10.5.0.128/24", AuxAddresses: { nas: "10.5.0.5/24" } }],
    });
  });

  test("0.0.0.0/0 when there is no IPAM", async () => {
    expect(await create("bare", "--ipam-driver", "null")).toMatchObject({
      IPv4Data: [{ AddressSpace: "null", Pool: "0.0.0.0/0" }],
      IPv6Data: [],
    });
  });

  test("DriverOptions: options as strings, and --internal as a boolean", async () => {
    const body = await create(
      "inner",
      "--internal",
      "--subnet",
      "10.6.0.0/24",
      "-o",
      "parent=lan0",
      "-o",
      "x=1",
    );
    expect(body).toMatchObject({
      Options: {
        "com.docker.network.internal": true,
        "com.docker.network.generic": { parent: "lan0", x: "1" },
      },
    });
  });

  test("before the network whether it should find a gateway, if it is new enough", async () => {
    await create("check", "--subnet", "10.7.0.0/24");
    expect(recorder.bodies("NetworkDriver.GwAllocCheck")).toHaveLength(age === "newest" ? 1 : 0);
  });

  test("published ports with the endpoint, and that the endpoint goes when its join was refused", async () => {
    await create("ports", "--subnet", "10.8.0.0/24");
    const run = await dockerd.tryDocker([
      "run",
      "--rm",
      "-p",
      "8080:80",
      "--network",
      "ports",
      IMAGE,
      "true",
    ]);
    expect(run.stderr).toContain("recorded, and that is all");
    expect(recorder.bodies("NetworkDriver.CreateEndpoint")).toMatchObject([
      {
        Interface: { Address: "10.8.0.2/24", AddressIPv6: "", MacAddress: "" },
        Options: {
          "com.docker.network.portmap": [{ Proto: 6, IP: "", Port: 80, HostIP: "", HostPort: 8080 }],
        },
      },
    ]);
    expect(recorder.bodies("NetworkDriver.DeleteEndpoint")).toHaveLength(1);
  });
});

/** An IPAM that wants to know the MAC before it gives an address: then dockerd makes one up. */
const WITH_MAC_IPAM = {
  "Plugin.Activate": { Implements: ["NetworkDriver", "IpamDriver"] },
  "NetworkDriver.GetCapabilities": { Scope: "local", ConnectivityScope: "global" },
  "NetworkDriver.Join": { Err: "recorded, and that is all" },
  "IpamDriver.GetCapabilities": { RequiresMACAddress: true, RequiresRequestReplay: false },
  "IpamDriver.GetDefaultAddressSpaces": { LocalDefaultAddressSpace: "l", GlobalDefaultAddressSpace: "g" },
  "IpamDriver.RequestPool": { PoolID: "p", Pool: "10.9.0.0/24" },
  "IpamDriver.RequestAddress": { Address: "10.9.0.7/24" },
};

// What lets a driver whose links have no MAC of their own tell a user's wish from an invention that nobody minds.
describe.each([...AGES])("the %s dockerd says of a MAC", (age) => {
  const things = disposedAfterAll();
  let dockerd: Dockerd;
  let recorder: Recorder;

  beforeAll(async () => {
    const host = things.use(await startHost({ engine: await findEngine(age) }));
    dockerd = await startDockerd(host);
    recorder = things.use(startRecorder(host, "mac", WITH_MAC_IPAM));
    await dockerd.docker("network", "create", "-d", "mac", "--ipam-driver", "mac", "macs");
  }, 600_000);
  beforeEach(() => recorder.forget());

  const said = async (...args: string[]) => {
    await dockerd.tryDocker(["run", "--rm", "--network", "macs", ...args, IMAGE, "true"]);
    return recorder.bodies("NetworkDriver.CreateEndpoint")[0];
  };

  test("that it made up for an IPAM: no option tells of it", async () => {
    const body = await said();
    expect(body).toMatchObject({
      Interface: {
        Address: "10.9.0.7/24",
        MacAddress: expect.stringMatching(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
      },
    });
    expect(body).not.toHaveProperty(["Options", "com.docker.network.endpoint.macaddress"]);
  });

  test("that a user asked for: the option has it too, in base64", async () => {
    expect(await said("--mac-address", "02:00:5e:00:53:01")).toMatchObject({
      Interface: { MacAddress: "02:00:5e:00:53:01" },
      Options: { "com.docker.network.endpoint.macaddress": "AgBeAFMB" },
    });
  });
});
