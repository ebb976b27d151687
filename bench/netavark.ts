import { startPodmanHost } from "../test/ground/podman.ts";
import { type Figure, median, report } from "./figures.ts";

/**
 * What `netavark setup` and `teardown` cost with a driver of ours, against netavark's own macvlan: whole processes in
 * turns on a private host, the order reversed every second time, each container in a netns of its own. Beside it our
 * process alone, which netavark starts for each network.
 */

const ROUNDS = 60;
const WHO = ["ours", "built-in"] as const;
type Who = (typeof WHO)[number];

const DRIVERS: Record<Who, string> = { ours: "underlay-macvlan", "built-in": "macvlan" };
const NETAVARK = "/usr/lib/podman/netavark";
const FOLDER = "/tmp/bench";

await using host = await startPodmanHost("netavark", []);
await host.must(["mkdir", "-p", `${FOLDER}/plugins`, `${FOLDER}/config`]);
await host.must(["ln", "-s", "/opt/underlay/underlay", `${FOLDER}/plugins/${DRIVERS.ours}`]);
await Bun.$`cc -O2 -static -o ${host.outside(`${FOLDER}/processes`)} bench/processes.c`;
for (let round = 0; round < ROUNDS; round++) await host.must(["ip", "netns", "add", `c${round}`]);

/** What podman says to netavark, and netavark to a driver. */
function messages(who: Who) {
  const network = {
    driver: DRIVERS[who],
    id: `${who}0`,
    name: "lan",
    internal: false,
    ipv6_enabled: false,
    dns_enabled: false,
    network_interface: "lan0",
    options: { mode: "bridge" },
    ipam_options: { driver: "host-local" },
    subnets: [{ subnet: "10.50.0.0/16", gateway: "10.50.0.1" }],
  };
  const wanted = { interface_name: "eth0", static_ips: ["10.50.0.9"], aliases: [], static_mac: null };
  const container = { container_id: "c0ffee", container_name: "bench", port_mappings: [] };
  return {
    "netavark.json": { ...container, networks: { lan: wanted }, network_info: { lan: network } },
    "driver.json": { ...container, network, network_options: wanted },
  };
}

for (const who of WHO)
  for (const [name, message] of Object.entries(messages(who)))
    await Bun.write(host.outside(`${FOLDER}/${who}-${name}`), JSON.stringify(message));

const PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

function throughNetavark(who: Who, verb: string, round: number): string {
  const options = ["--plugin-directory", `${FOLDER}/plugins`, "--config", `${FOLDER}/config`];
  const words = [PATH, "NETAVARK_FW=none", ...options, verb, `/run/netns/c${round}`];
  return [`${verb}|${who}`, NETAVARK, `${FOLDER}/${who}-netavark.json`, ...words].join("\t");
}

function alone(verb: string, round: number): string {
  const program = `${FOLDER}/plugins/${DRIVERS.ours}`;
  return [`${verb}|alone`, program, `${FOLDER}/ours-driver.json`, PATH, verb, `/run/netns/c${round}`].join(
    "\t",
  );
}

const VERBS = ["setup", "teardown"] as const;
const calls = Array.from({ length: ROUNDS }, (_, round) => {
  const inTurn = round % 2 === 0 ? WHO : WHO.toReversed();
  const through = inTurn.flatMap((who) => VERBS.map((verb) => throughNetavark(who, verb, round)));
  return [...through, ...VERBS.map((verb) => alone(verb, round))];
}).flat();

const said = await host.must([`${FOLDER}/processes`], { input: `${calls.join("\n")}\n`, timeoutMs: 300_000 });
const times = Map.groupBy(
  said.split("\n").map((line) => line.split("\t")),
  ([label]) => label,
);
const of = (label: string) => median((times.get(label) ?? []).map(([, took]) => Number(took) / 1000));

function figure(what: string, verb: string, whose: string, limit?: number): Figure {
  const peer = { name: "built-in", value: of(`${verb}|built-in`) };
  return { what, ours: of(`${verb}|${whose}`), unit: "ms", peer, ...(limit !== undefined && { limit }) };
}

await report("netavark", [
  figure("netavark setup, macvlan", "setup", "ours", 2.5),
  figure("netavark teardown, macvlan", "teardown", "ours"),
  figure("our driver alone, setup", "setup", "alone", 2.5),
  figure("our driver alone, teardown", "teardown", "alone"),
]);
