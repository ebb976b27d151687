import { beforeAll, describe, expect, test } from "bun:test";
import { concatBytes } from "../../src/lib/bytes.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { arp } from "./frames.ts";
import { all, asks, FORGED, FRAMES, HONEST, MARKER, ME, THIRD } from "./ovs-security-frames.ts";
import { type Scene, startScene } from "./ovs-security-scene.ts";
import { openLane, type Station } from "./ovs-stations.ts";

/** What a secured port may send, on real bridges: station 1 is secured, 2 and 3 are not. */

describe.each([...AGES])("port security on the %s Open vSwitch", (age) => {
  const things = disposedAfterAll();
  let at: Scene;
  beforeAll(async () => {
    at = await startScene(age, things);
  }, 600_000);

  test("without it every frame arrives", () => {
    expect(FRAMES.filter(([, , frame]) => !at.lane.arrives(frame, MARKER)).map(([name]) => name)).toEqual([]);
  });

  test("with it what is its own arrives, and nothing that is forged", async () => {
    await at.guard.secure(at.secured);
    await at.ovs.appctl("fdb/flush", "br0");
    await at.forgotten();
    const wrong = FRAMES.filter(([, is, frame]) => at.lane.arrives(frame, MARKER) !== is).map(
      ([name]) => name,
    );
    expect(wrong).toEqual([]);
    expect(await at.guard.check()).toEqual({ missing: [], strange: [] });
  });

  test("the bridge did not learn from what was forged", async () => {
    const learnt = await at.ovs.appctl("fdb/show", "br0");
    expect(learnt).toContain(ME);
    expect(learnt).not.toMatch(new RegExp(`^ *1 .*${THIRD}`, "m"));
  });

  test("other ports go on as before", () => {
    const [, two, three] = at.stations;
    using other = openLane(three, two);
    const marker = arp({ ...all, source: THIRD }, { ...asks, sha: THIRD });
    const held = FRAMES.filter(([, , frame]) => !other.arrives(frame, marker)).map(([name]) => name);
    expect(held).toEqual([]);
  });

  test("TCP, UDP and ICMP go both ways, of both families", async () => {
    const [one, two] = at.stations;
    for (const [from, to, addresses] of [
      [one, two, ["10.7.0.2", "fd00:7::2"]],
      [two, one, ["10.7.0.1", "fd00:7::1"]],
    ] as const) {
      for (const address of addresses)
        expect([address, await from.pings("-W5", address)]).toEqual([address, true]);
      expect(await talks(from, to, addresses)).toBe("tcp udp tcp udp");
    }
  });

  test("a container that takes another's address, or another MAC, speaks to nobody", async () => {
    const [one] = at.stations;
    one.ip("address add 10.7.0.77/24 dev e0");
    expect(await one.pings("-W1", "-I", "10.7.0.77", "10.7.0.2")).toBeFalse();
    one.ip("address del 10.7.0.77/24 dev e0");
    one.ip("link set e0 address 02:00:00:00:00:77");
    expect(await one.pings("-W1", "10.7.0.2")).toBeFalse();
    one.ip(`link set e0 address ${ME}`);
    expect(await one.pings("-W5", "10.7.0.2")).toBeTrue();
  });

  test("VLAN tags work as without it", async () => {
    const [one, two, three] = at.stations;
    for (const { port } of [one, two]) await at.ovs.vsctl("set", "Port", port, "tag=100");
    expect(await one.pings("-W5", "10.7.0.2")).toBeTrue();
    expect(await three.pings("-W1", "10.7.0.2")).toBeFalse();
    // A trunk, whose container tags by itself.
    await at.ovs.vsctl("clear", "Port", one.port, "tag");
    await at.ovs.vsctl("set", "Port", one.port, "trunks=100", "vlan_mode=trunk");
    using tagged = openLane(one, two);
    expect(tagged.arrives(inVlan(100, HONEST), inVlan(100, MARKER))).toBeTrue();
    expect(tagged.arrives(inVlan(100, FORGED), inVlan(100, MARKER))).toBeFalse();
    expect(tagged.arrives(inVlan(101, HONEST), inVlan(100, MARKER))).toBeFalse();
    for (const { port } of [one, two])
      for (const column of ["tag", "trunks", "vlan_mode"]) await at.ovs.vsctl("clear", "Port", port, column);
  });
});

/** A server of both protocols; then a client that asks it at each address, and says which of them answered. */
async function talks(from: Station, to: Station, addresses: readonly string[]): Promise<string> {
  const server = Bun.spawn(["nsenter", `--net=${to.netns.path}`, "python3", "-c", SERVER], {
    stdout: "pipe",
  });
  try {
    await server.stdout.getReader().read();
    return await from.must("python3", "-c", CLIENT, ...addresses);
  } finally {
    server.kill();
    await server.exited;
  }
}

const SERVER = `
import socket, threading
tcp = socket.create_server(("", 7000), family=socket.AF_INET6, dualstack_ipv6=True)
udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
udp.bind(("", 7000))
def answer():
    while True:
        data, peer = udp.recvfrom(2000)
        udp.sendto(data, peer)
threading.Thread(target=answer).start()
print("ready", flush=True)
while True:
    connection, _ = tcp.accept()
    while data := connection.recv(65536): connection.sendall(data)
    connection.close()
`;
const CLIENT = `
import socket, sys
said = []
for address in sys.argv[1:]:
    tcp = socket.create_connection((address, 7000), timeout=5)
    tcp.sendall(b"x" * 50000)
    tcp.shutdown(socket.SHUT_WR)
    got = 0
    while data := tcp.recv(65536): got += len(data)
    if got == 50000: said.append("tcp")
    udp = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    udp.settimeout(5)
    udp.sendto(b"ping", (address, 7000))
    if udp.recv(2000) == b"ping": said.append("udp")
print(*said)
`;

/** IEEE 802.1Q. */
function inVlan(vid: number, frame: Uint8Array): Uint8Array {
  return concatBytes([
    frame.subarray(0, 12),
    Uint8Array.of(0x81, 0, vid >> 8, vid & 0xff),
    frame.subarray(12),
  ]);
}
