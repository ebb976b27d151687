import { join } from "node:path";
import { ETHERTYPE } from "../src/lib/ethernet.ts";
import { openPacketSocket, type PacketSocket } from "../src/sys/packet.ts";
import { openTestNetns, type TestNetns } from "../test/ground/netns.ts";

/**
 * Writes `src/lib/frames.golden.ts`: how the kernel itself asks for a neighbour and answers, byte for byte. Two netns
 * on a veth pair; no code of `src/lib` makes or reads a frame here. Needs root, iproute2 and bash.
 */

const PATH = join(import.meta.dir, "../src/lib/frames.golden.ts");

/** Of the asker and of the one who is asked, v4 and v6. */
const GATEWAY = "192.0.2.1";
const GATEWAY6 = "fe80::1";

interface Exchange {
  readonly name: string;
  readonly how: string;
  readonly etherType: number;
  /** Arguments of `ip`, at the asker. */
  readonly before: readonly string[];
  /** A shell line at the asker: a packet for whose sake the kernel has to ask. */
  readonly cause: string;
}

const EXCHANGES: readonly Exchange[] = [
  {
    name: "arpProbe",
    how: "an asker whose only address is not for this link: arp_announce tells the kernel to name none",
    etherType: ETHERTYPE.arp,
    before: ["addr add 198.51.100.1/32 dev a0 scope host", `route add ${GATEWAY} dev a0 src 198.51.100.1`],
    cause: `echo 2 > /proc/sys/net/ipv4/conf/a0/arp_announce; echo > /dev/udp/${GATEWAY}/9`,
  },
  {
    name: "arpRequest",
    how: "an asker with 192.0.2.9",
    etherType: ETHERTYPE.arp,
    before: ["addr add 192.0.2.9/24 dev a0"],
    cause: `echo > /dev/udp/${GATEWAY}/9`,
  },
  {
    name: "solicitation",
    how: "an asker with the link-local address of its MAC",
    etherType: ETHERTYPE.ipv6,
    before: ["addr add fe80::ff:fe00:2/64 dev a0 nodad"],
    cause: `echo > /dev/udp/${GATEWAY6}%a0/9`,
  },
  {
    name: "duplicateDetection",
    how: "an asker that wants the same address",
    etherType: ETHERTYPE.ipv6,
    before: [],
    // Without the nonce of RFC 7527, which is another each time.
    cause:
      "for all in all a0; do echo 0 > /proc/sys/net/ipv6/conf/$all/enhanced_dad; done; " +
      `ip addr add ${GATEWAY6}/64 dev a0`,
  },
];

/** The first frame that each end gets. */
function captured({ etherType, before, cause }: Exchange): { asked: string; answered: string } {
  using asker = openTestNetns();
  using gateway = openTestNetns();
  asker.ip("link", "add", "a0", "address", "02:00:00:00:00:02", "type", "veth", "peer", "name", "g0");
  asker.ip("link", "set", "g0", "netns", gateway.path, "address", "02:00:00:00:00:01");
  for (const [ground, link] of [
    [asker, "a0"],
    [gateway, "g0"],
  ] as const) {
    ground.ip("link", "set", link, "addrgenmode", "none");
    ground.ip("link", "set", link, "up");
  }
  gateway.ip("addr", "add", `${GATEWAY}/24`, "dev", "g0");
  gateway.ip("addr", "add", `${GATEWAY6}/64`, "dev", "g0", "nodad");
  for (const line of before) asker.ip(...line.split(" "));

  const listen = (ground: TestNetns, link: string) => {
    const ifindex = Number(ground.ipJson("link", "show", link)[0]?.["ifindex"]);
    return openPacketSocket(ground.libc, { netns: ground.netns, ifindex, etherType });
  };
  using atAsker = listen(asker, "a0");
  using atGateway = listen(gateway, "g0");
  Bun.spawnSync(["nsenter", `--net=${asker.path}`, "bash", "-c", cause]);
  return { asked: firstAt(atGateway), answered: firstAt(atAsker) };
}

/** ICMPv6 (RFC 4861): solicitation and advertisement of a neighbour. */
const NEIGHBOUR_TYPES = [135, 136];

/** In IPv6 a link that is new has more to say: it reports its multicast groups, and asks for routers in its own time. */
function firstAt(socket: PacketSocket): string {
  for (;;) {
    const frame = socket.receive(2000);
    if (frame === undefined) throw new Error("no frame came");
    const isIpv6 = frame[12] === 0x86;
    const isNeighbours = frame[20] === 58 && NEIGHBOUR_TYPES.includes(frame[54] ?? 0);
    if (!isIpv6 || isNeighbours) return Buffer.from(frame).toString("hex");
  }
}

/** Name to the frames, with how they came about. */
export function captureFrames(): Record<string, { how: string; asked: string; answered: string }> {
  return Object.fromEntries(EXCHANGES.map((each) => [each.name, { how: each.how, ...captured(each) }]));
}

if (import.meta.main) {
  const frames = captureFrames();
  const release = Bun.spawnSync(["uname", "-r"]).stdout.toString().split("-")[0];
  const text = [
    `/** Captured by tools/capture-frames.ts from the kernel, Linux ${release}. Do not edit. */\n`,
    `export const framesGolden = ${JSON.stringify(frames, null, 2)} as const;\n`,
  ].join("");
  await Bun.write(PATH, text);
  Bun.spawnSync([join(import.meta.dir, "../node_modules/.bin/biome"), "format", "--write", PATH]);
}
