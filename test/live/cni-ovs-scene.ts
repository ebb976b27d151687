import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Attachment, type CniConf, type CniHost, cniHost, linkPlugins } from "../ground/cni.ts";
import { collectLines } from "../ground/lines.ts";
import { openTestNetns, type TestNetns } from "../ground/netns.ts";
import type { Switch } from "../ground/ovs.ts";
import { must } from "../ground/run.ts";
import { until } from "../ground/until.ts";

/** The plugin ovs on a host that has Open vSwitch, with a bridge `br0` of the userspace datapath. */
export interface OvsScene extends AsyncDisposable {
  readonly ovs: Switch;
  readonly plugins: CniHost;
  /** Where host-local keeps its reservations. */
  readonly dataDir: string;
  /** The configuration of a network, with keys of its own. */
  conf(keys?: CniConf): CniConf;
  /** Another container, gone with the scene. */
  container(id: string): OvsContainer;
  /** Names of the ports of a bridge. */
  ports(bridge?: string): Promise<readonly string[]>;
  /** Columns of a row, as ovs-vsctl prints them. */
  columns(table: "Port" | "Interface", name: string, ...columns: string[]): Promise<readonly string[]>;
  /** Links of the host that are ends of pairs. */
  pairs(): Promise<readonly string[]>;
}

export interface OvsContainer {
  readonly netns: TestNetns;
  readonly attachment: Attachment;
}

const NETDEV = ["--", "set", "Bridge", "br0", "datapath_type=netdev"];

/** Whatever an earlier scene left of the switch's rows is gone before. */
export async function openOvsScene(ovs: Switch): Promise<OvsScene> {
  await using undo = new AsyncDisposableStack();
  const folder = undo.adopt(mkdtempSync(join(tmpdir(), "cniovs-")), (path) =>
    rmSync(path, { recursive: true }),
  );
  const dataDir = join(folder, "networks");
  await ovs.vsctl("--if-exists", "del-br", "br0", "--", "add-br", "br0", ...NETDEV);
  const pairs = async () => {
    const links: readonly { readonly ifname: string }[] = JSON.parse(
      (await ovs.host.must(["ip", "-j", "link", "show", "type", "veth"])) || "[]",
    );
    return links.map(({ ifname }) => ifname).filter((name) => name.startsWith("veth"));
  };
  undo.defer(async () => {
    for (const name of await pairs()) await ovs.host.run(["ip", "link", "del", name]);
  });
  const kept = undo.move();
  return {
    ovs,
    plugins: cniHost({ folders: [linkPlugins(join(folder, "bin"))], netns: ovs.netns }),
    dataDir,
    conf: (keys = {}) => ({
      type: "ovs",
      name: "switched",
      cniVersion: "1.1.0",
      bridge: "br0",
      socket_file: ovs.socket,
      ipam: { type: "host-local", subnet: "10.1.2.0/24", dataDir },
      ...keys,
    }),
    container(id) {
      const netns = kept.use(openTestNetns());
      return { netns, attachment: { containerId: id, netns: netns.path, ifname: "eth0" } };
    },
    ports: async (bridge = "br0") => words(await ovs.vsctl("list-ports", bridge)),
    columns: async (table, name, ...columns) => {
      const said = await ovs.vsctl("--bare", `--columns=${columns.join(",")}`, "list", table, name);
      return said.split("\n").map((line) => line.trim());
    },
    pairs,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function words(text: string): readonly string[] {
  return text.split("\n").filter((word) => word !== "");
}

/** The first address that a container has. */
export function addressOf({ netns }: OvsContainer): string {
  const [link] = netns.ipJson("-4", "address", "show", "dev", "eth0");
  const infos: readonly { readonly local: string }[] = Array.isArray(link?.["addr_info"])
    ? link["addr_info"]
    : [];
  return infos[0]?.local ?? "none";
}

export const inside = ({ netns }: OvsContainer, ...argv: readonly string[]) => [
  "nsenter",
  `--net=${netns.path}`,
  ...argv,
];

/** Echoes: 200 kB over TCP, in frames whose checksums somebody has to make, and a datagram over UDP, of which some may get lost. */
export async function echoes(from: OvsContainer, to: OvsContainer): Promise<string> {
  const server = Bun.spawn(inside(to, "python3", "-c", SERVER), { stdout: "pipe", stdin: "ignore" });
  try {
    const lines: string[] = [];
    void collectLines(server.stdout, lines);
    await until("the echo server listens", () => lines.includes("ready"), {
      hopeless: () => (server.exitCode === null ? undefined : `it ended with ${server.exitCode}`),
    });
    return await must(inside(from, "python3", "-c", CLIENT, addressOf(to)));
  } finally {
    server.kill("SIGKILL");
    await server.exited;
  }
}

const SERVER = `
import socket, threading
t = socket.create_server(("", 7000))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("", 7000))
def datagrams():
  while True:
    data, peer = u.recvfrom(2000)
    u.sendto(data, peer)
threading.Thread(target=datagrams, daemon=True).start()
print("ready", flush=True)
while True:
  c, _ = t.accept()
  while data := c.recv(65536): c.sendall(data)
  c.close()
`;

const CLIENT = `
import socket, sys, threading
at = (sys.argv[1], 7000)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(1)
udp = 0
for _ in range(5):
  try:
    u.sendto(b"x" * 1200, at)
    udp = len(u.recv(2000))
    break
  except TimeoutError: pass
t = socket.create_connection(at, 5)
threading.Thread(target=lambda: (t.sendall(b"x" * 200000), t.shutdown(socket.SHUT_WR)), daemon=True).start()
tcp = 0
while data := t.recv(65536): tcp += len(data)
print(udp, tcp)
`;

/** For python3 in a container: the VLAN of the first frame that has one, by PACKET_AUXDATA. */
export const FIRST_VLAN = `
import socket, struct
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth0", 3))
s.setsockopt(263, 8, 1)
s.settimeout(10)
while True:
  data, ancillary, _, _ = s.recvmsg(2000, 200)
  if data[12:14] == b"\\x81\\x00":
    print(struct.unpack("!H", data[14:16])[0] & 4095); break
  for level, kind, aux in ancillary:
    status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", aux[:20])
    if status & 16: print(tci & 4095); raise SystemExit
`;
