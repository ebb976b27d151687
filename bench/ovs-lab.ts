import { join } from "node:path";
import { IMAGE, LASTING } from "../test/ground/dockerd.ts";
import { must } from "../test/ground/run.ts";
import { makeGuest } from "../test/lab/guest.ts";
import { servicesOf } from "../test/lab/services.ts";
import { startSwitch } from "../test/lab/switch.ts";
import { median, report } from "./figures.ts";

/**
 * TCP over Open vSwitch with the kernel's datapath: two containers on a network of ours, against two namespaces on a
 * bridge and veth pairs made by hand, in turns. A guest is slow, and its kernel has one processor: only ratios mean
 * something.
 */

const ROUNDS = 15;
const SECONDS = 4;

/** What one types without us. */
const BY_HAND = `
  ovs-vsctl add-br hand
  for n in 1 2; do
    ip netns add hand$n
    ip link add hand$n type veth peer name eth0 netns hand$n
    ip link set hand$n up
    ip -n hand$n link set eth0 up
    ip -n hand$n address add 10.81.0.$n/24 dev eth0
    ovs-vsctl add-port hand hand$n
  done`;

const PAIRS = {
  ours: { from: "ours1", to: "ours2", at: "10.80.0.12" },
  "by hand": { from: "hand1", to: "hand2", at: "10.81.0.2" },
} as const;
type Pair = keyof typeof PAIRS;
const NAMES: readonly Pair[] = ["ours", "by hand"];

const tools = await must(
  [join(import.meta.dir, "../tools/debian-root.sh"), "tools-bookworm", "bookworm", "iperf3"],
  { timeoutMs: 600_000 },
);
await using guest = await makeGuest("newest", { ovs: "oldest", tools });
await guest.boot();
const services = servicesOf(guest);
await startSwitch({ guest, services });
await services.underlay();
await services.dockerd();
await services.image();

await guest.must(BY_HAND);
const options = ["-o", "bridge=ours", "-o", "mode=flat", "-o", "mtu=1500", "--subnet", "10.80.0.0/24"];
await services.docker("network", "create", "-d", "underlay-ovs", ...options, "lan");
for (const n of [1, 2]) {
  const name = `ours${n}`;
  await services.docker(
    "run",
    "-d",
    "--name",
    name,
    "--network",
    "lan",
    "--ip",
    `10.80.0.1${n}`,
    IMAGE,
    ...LASTING,
  );
  await guest.must(
    `ip netns attach ${name} ${await services.docker("inspect", "-f", "{{.State.Pid}}", name)}`,
  );
}

const IPERF = "chroot /opt/tools iperf3";
for (const { to } of Object.values(PAIRS))
  await guest.start(`iperf3 of ${to}`, `exec ip netns exec ${to} ${IPERF} --server`);

/** Mbit/s that arrived. */
async function measure({ from, at }: (typeof PAIRS)[Pair]): Promise<number> {
  const client = `ip netns exec ${from} ${IPERF} --json --time ${SECONDS} --client ${at}`;
  return JSON.parse(await guest.must(client)).end.sum_received.bits_per_second / 1e6;
}

const measured: Record<Pair, number[]> = { ours: [], "by hand": [] };
for (let round = 0; round <= ROUNDS; round++)
  for (const name of round % 2 === 0 ? NAMES : NAMES.toReversed()) {
    const rate = await measure(PAIRS[name]);
    // The first is for warming up.
    if (round > 0) measured[name].push(rate);
  }

const [ours, byHand] = NAMES.map((name) => median(measured[name]));
process.stdout.write(`Mbit/s: ours ${ours?.toFixed(0)}, by hand ${byHand?.toFixed(0)}\n`);
const slower = (byHand ?? Number.NaN) / (ours ?? Number.NaN);
await report("ovs-lab", [
  {
    what: "iperf3 over the kernel's datapath, time for a byte",
    ours: slower,
    unit: "ratio",
    peer: { name: "by hand", value: 1 },
    limit: 1.1,
  },
]);
