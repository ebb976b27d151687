import { concatBytes } from "../../src/lib/bytes.ts";
import type { Mac } from "../../src/lib/mac.ts";
import { openPacketSocket, type PacketSocket } from "../../src/sys/packet.ts";
import { openTestNetns, type TestNetns } from "../ground/netns.ts";
import { findSwitch, type Switch } from "../ground/ovs.ts";
import { must, run } from "../ground/run.ts";
import { mac } from "./frames.ts";

/** A container's part of a network, without a container: a namespace whose `e0` is in a port of a bridge. */
export interface Station extends Disposable {
  /** Name of the port. */
  readonly port: string;
  readonly mac: Mac;
  /** Words of ip(8), parted by blanks. */
  ip(words: string): void;
  /** Whether one ping is answered, within a second when told so. Words of ping(8). */
  pings(...words: readonly string[]): Promise<boolean>;
  /** Runs a program of the machine in there, which has to end well; answers its standard output. */
  must(...argv: readonly string[]): Promise<string>;
  readonly netns: TestNetns;
}

/** ETH_P_ALL of `<linux/if_ether.h>`. */
const EVERY_FRAME = 3;

/** On the machine of the switch, its port in no bridge yet. `n`: of its addresses and its name. */
export async function makeStation(ovs: Switch, n: number): Promise<Station> {
  const netns = openTestNetns();
  const port = `st${n}`;
  const address = `02:00:00:00:00:${n.toString(16).padStart(2, "0")}`;
  const onSwitch = (words: string) => must(["nsenter", `--net=${ovs.netns}`, "ip", ...words.split(" ")]);
  const station = (words: string) => void netns.ip(...words.split(" "));
  await onSwitch(`link add ${port} type veth peer name e0 address ${address} netns ${netns.path}`);
  await onSwitch(`link set ${port} up`);
  for (const words of [
    "link set lo up",
    "link set e0 up",
    `address add 10.7.0.${n}/24 dev e0`,
    `address add fd00:7::${n}/64 dev e0 nodad`,
  ])
    station(words);
  const inside = (argv: readonly string[]) => ["nsenter", `--net=${netns.path}`, ...argv];
  const { root } = await findSwitch(ovs.age);
  // The userspace datapath hands on checksums that are not finished.
  await must(inside(["chroot", root, "ethtool", "-K", "e0", "tx", "off"]));
  return {
    port,
    mac: mac(address),
    netns,
    ip: station,
    pings: async (...words) => (await run(inside(["chroot", root, "ping", "-c1", ...words]))).code === 0,
    must: (...argv) => must(inside(argv)),
    [Symbol.dispose]: () => netns[Symbol.dispose](),
  };
}

/** Frames from one station, and whether another hears them. */
export interface Lane extends Disposable {
  /** Sends both, and waits for the one that has to arrive: whether the other one did before it. */
  arrives(frame: Uint8Array, marker: Uint8Array): boolean;
}

const TAG_BYTES = 8;

export function openLane(from: Station, to: Station): Lane {
  using undo = new DisposableStack();
  const [sender, hearer] = [from, to].map(({ netns }) => undo.use(socketOn(netns)));
  if (!sender || !hearer) throw new Error("no sockets");
  const kept = undo.move();
  return {
    arrives(frame, marker) {
      const tags = [frame, marker].map(() => crypto.getRandomValues(new Uint8Array(TAG_BYTES)));
      for (const [i, each] of [frame, marker].entries())
        sender.send(concatBytes([padded(each), tags[i] ?? new Uint8Array()]));
      const [wanted, last] = tags.map(String);
      let has = false;
      const deadline = performance.now() + 5_000;
      for (;;) {
        const heard = hearer.receive(deadline - performance.now());
        if (heard === undefined) throw new Error("not even the marker arrived within 5 s");
        const tag = String(heard.slice(-TAG_BYTES));
        has ||= tag === wanted;
        if (tag === last) return has;
      }
    },
    [Symbol.dispose]: () => kept.dispose(),
  };
}

/** Nothing on the way then pads it behind the tag. */
function padded(frame: Uint8Array): Uint8Array {
  return concatBytes([frame, new Uint8Array(Math.max(0, 60 - frame.length))]);
}

function socketOn(netns: TestNetns): PacketSocket {
  const ifindex = Number(netns.ipJson("link", "show", "e0")[0]?.["ifindex"]);
  return openPacketSocket(netns.libc, { ifindex, etherType: EVERY_FRAME, netns: netns.netns });
}
