import { decodeArp } from "../../src/lib/arp.ts";
import { ETHERTYPE } from "../../src/lib/ethernet.ts";
import { openPacketSocket } from "../../src/sys/packet.ts";
import { openTestNetns, type TestNetns } from "../ground/netns.ts";

/**
 * A host, a switch and a gateway, each a namespace: `eth0` of the host is in port `p1`, `gw0` of the gateway in `p2`.
 * The switch is a bridge, and its port can guard itself as those of switches and hypervisors do.
 */
export interface SwitchedLan extends Disposable {
  readonly host: TestNetns;
  readonly gateway: TestNetns;
  /** Words of ip(8), parted by blanks, at the host or at the gateway. */
  at(where: "host" | "gateway", ...commands: string[]): void;
  /** Port security: frames whose source is not the host's own MAC address are dropped (`locked`). */
  dropForeignSources(): void;
  /** A virtual switch that hands the host only frames for the MAC address it was told. */
  dropForeignDestinations(): void;
  /** Instead of the gateway's kernel, while `meanwhile` is not over: answers only to ARP requests that name their sender. */
  answerThoseWithAddress<T>(meanwhile: Promise<T>): Promise<T>;
  /** What leaves the host from now on, until it is read. */
  listen(): Disposable & { frames(): Uint8Array[] };
  /** MAC address of the host's NIC. */
  readonly mac: string;
  /** The host's links, and how often each was made to hear everything: a macvlan on a veth does that. */
  links(): readonly { readonly name: unknown; readonly promiscuity: unknown }[];
}

/** ETH_P_ALL of `<linux/if_ether.h>`. */
const EVERY_FRAME = 3;

export const GATEWAY = "192.168.9.1";

/** The gateway is 192.168.9.1 and fe80::1; the host has no address but that of its MAC. */
export function makeSwitchedLan(): SwitchedLan {
  using undo = new DisposableStack();
  const [host, lan, gateway] = [openTestNetns(), openTestNetns(), openTestNetns()].map((netns) =>
    undo.use(netns),
  );
  if (!host || !lan || !gateway) throw new Error("no namespaces");
  const run = (netns: TestNetns, words: string) => netns.ip(...words.split(" "));
  run(lan, "link add br0 type bridge");
  for (const [end, netns, port] of [
    ["eth0", host, "p1"],
    ["gw0", gateway, "p2"],
  ] as const) {
    run(lan, `link add ${port} type veth peer name ${end} netns ${netns.path}`);
    run(lan, `link set ${port} master br0 up`);
    run(netns, `link set ${end} up`);
  }
  run(lan, "link set br0 up");
  run(gateway, `addr add ${GATEWAY}/24 dev gw0`);
  run(gateway, "addr add fe80::1/64 dev gw0 nodad");
  const mac = String(host.ipJson("link", "show", "eth0")[0]?.["address"]);

  const bridge = (words: string) => {
    const argv = ["nsenter", `--net=${lan.path}`, "bridge", ...words.split(" ")];
    const { exitCode, stderr } = Bun.spawnSync(argv);
    if (exitCode !== 0) throw new Error(`bridge ${words}: ${stderr.toString().trim()}`);
  };
  const guard = (how: string) => {
    bridge(`fdb replace ${mac} dev p1 master static`);
    bridge(`link set dev p1 learning off ${how}`);
  };
  const kept = undo.move();
  return {
    host,
    gateway,
    mac,
    at(where, ...commands) {
      for (const words of commands) run({ host, gateway }[where], words);
    },
    dropForeignSources: () => guard("locked on"),
    dropForeignDestinations: () => guard("flood off"),
    async answerThoseWithAddress(meanwhile) {
      run(gateway, `addr del ${GATEWAY}/24 dev gw0`);
      const [gw0] = gateway.ipJson("link", "show", "gw0");
      const options = { ifindex: Number(gw0?.["ifindex"]), etherType: ETHERTYPE.arp, netns: gateway.netns };
      using socket = openPacketSocket(gateway.libc, options);
      let isOver = false;
      const end = () => {
        isOver = true;
      };
      void meanwhile.then(end, end);
      while (!isOver) {
        const request = socket.receive(20);
        if (request && decodeArp(request)?.senderIp.bytes.some((byte) => byte !== 0))
          socket.send(replyTo(request, String(gw0?.["address"])));
        // Lets `meanwhile` tell its end.
        await new Promise((resolve) => setImmediate(resolve));
      }
      return await meanwhile;
    },
    listen() {
      const ifindex = Number(lan.ipJson("link", "show", "p1")[0]?.["ifindex"]);
      const socket = openPacketSocket(lan.libc, { ifindex, etherType: EVERY_FRAME, netns: lan.netns });
      return {
        frames: () => [...untilSilent(() => socket.receive(1))],
        [Symbol.dispose]: () => socket[Symbol.dispose](),
      };
    },
    links: () =>
      host.ipJson("link", "show").map(({ ifname, promiscuity }) => ({ name: ifname, promiscuity })),
    [Symbol.dispose]: () => kept.dispose(),
  };
}

/** RFC 826: the two swap places, and the answer is the sender. */
function replyTo(request: Uint8Array, mac: string): Uint8Array {
  const gateway = Uint8Array.from(mac.split(":"), (pair) => Number.parseInt(pair, 16));
  const [asker, sender, target] = [request.slice(22, 28), request.slice(28, 32), request.slice(38, 42)];
  const preamble = request.slice(12, 20);
  return Uint8Array.of(...asker, ...gateway, ...preamble, 0, 2, ...gateway, ...target, ...asker, ...sender);
}

function* untilSilent(next: () => Uint8Array | undefined): Generator<Uint8Array> {
  for (;;) {
    const frame = next();
    if (frame === undefined) return;
    yield frame;
  }
}
