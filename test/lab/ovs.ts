import { expect } from "bun:test";
import { IMAGE, LASTING } from "../ground/dockerd.ts";
import { until } from "../ground/until.ts";
import type { Lab } from "./scenario.ts";

/** Networks on Open vSwitch with the kernel's datapath, two containers on them, and who there is to talk to. */

const DRIVER = "underlay-ovs";
const BRIDGE = ["-o", "bridge=br1", "-o", "mode=flat"];

/** Bits a second, as containers of `red` see them; without, a guest carries 5 million on a busy machine, and 50 on a quiet one. */
export const RATES = { rx: 1e6, tx: 2e6 } as const;

/** `docker network create`; in mode flat, since this kernel has no nf_tables for IPv4. */
const NETWORKS: Readonly<Record<string, readonly string[]>> = {
  lan: [...BRIDGE, "-o", "uplink=lan0", "-o", "port_security=true", "--gateway", "10.77.0.1"],
  red: [
    ...BRIDGE,
    "-o",
    "vlan=10",
    "-o",
    `rx_rate=${RATES.rx / 1e6}mbit`,
    "-o",
    `tx_rate=${RATES.tx / 1e6}mbit`,
  ],
  far: ["-o", "bridge=br2", "-o", "mode=flat", "-o", "vni=7", "-o", "peers=10.200.0.2"],
};
const SUBNETS = { lan: "10.77.0", red: "10.78.0", far: "10.79.0" } as const;

/** Of `web` in its first network: without one Docker chooses a MAC at each start. */
const MAC = "02:00:5e:00:53:77";
const CONTAINERS = {
  web: { number: 10, networks: ["lan", "red"], more: ["--mac-address", MAC] },
  db: { number: 11, networks: ["lan", "far"], more: [] },
} as const;

/**
 * What is gone with each boot. The LAN's router is in VLAN 10, too; `far` is another host, whose tunnel is the kernel's
 * own. All have number 1 of their subnet.
 */
const SURROUNDINGS = `
  ip -n router address add ${SUBNETS.lan}.1/24 dev lan1
  ip -n router link add link lan1 name lan1.10 type vlan id 10
  ip -n router link set lan1.10 up
  ip -n router address add ${SUBNETS.red}.1/24 dev lan1.10
  ip netns add far
  ip link add far0 type veth peer name far1 netns far
  ip link set far0 up
  ip address add 10.200.0.1/24 dev far0
  ip -n far link set far1 up
  ip -n far address add 10.200.0.2/24 dev far1
  ip -n far link add vx7 type vxlan id 7 dstport 4789 remote 10.200.0.1 local 10.200.0.2
  ip -n far link set vx7 mtu 1450 up
  ip -n far address add ${SUBNETS.far}.1/24 dev vx7`;

export async function makeSurroundings({ guest }: Lab): Promise<void> {
  await guest.must(SURROUNDINGS);
}

/** Answers what Docker's client says of a network that is refused. On a busy machine the driver asks to try again first. */
export async function refusal({ services }: Lab, ...options: readonly string[]): Promise<string> {
  const subnet = ["--subnet", `${SUBNETS.lan}.0/24`];
  const words = ["network", "create", "-d", DRIVER, ...options, ...subnet, "wrong"];
  const ask = async () => {
    const made = await services.tryDocker(...words);
    expect(made.code).not.toBe(0);
    return made.stderr.includes("try again") ? undefined : made.stderr;
  };
  return until("it is refused for a reason", ask, { withinMs: 60_000, everyMs: 1000 });
}

export async function makeNetworks({ services }: Lab): Promise<void> {
  for (const [name, options] of Object.entries(NETWORKS)) {
    const subnet = `${SUBNETS[name as keyof typeof SUBNETS]}.0/24`;
    await services.docker("network", "create", "-d", DRIVER, ...options, "--subnet", subnet, name);
  }
}

/** They always come back. */
export async function runContainers({ services }: Lab): Promise<void> {
  for (const [name, { number, networks, more }] of Object.entries(CONTAINERS)) {
    const [first, second] = networks;
    const words = ["--name", name, "--restart=always", "--network", first, "--ip", address(first, number)];
    await services.docker("create", ...words, ...more, IMAGE, ...LASTING);
    await services.docker("network", "connect", "--ip", address(second, number), second, name);
    await services.docker("start", name);
  }
}

export async function removeAll({ services }: Lab): Promise<void> {
  await services.docker("rm", "-f", ...Object.keys(CONTAINERS));
  await services.docker("network", "rm", ...Object.keys(NETWORKS));
}

function address(network: keyof typeof SUBNETS, number: number): string {
  return `${SUBNETS[network]}.${number}`;
}

/** The containers' namespaces get their names. */
export async function nameNamespaces({ guest }: Lab): Promise<void> {
  const attach = Object.keys(CONTAINERS).map(
    (name) => `
      if [ -e /run/netns/${name} ]; then ip netns del ${name}; fi
      ip netns attach ${name} "$(docker -H unix:///run/docker.sock inspect -f '{{.State.Pid}}' ${name})"`,
  );
  await guest.must(attach.join("\n"));
}

const ping = (from: string, to: string) => `ip netns exec ${from} busybox ping -c1 -W2 ${to} >/dev/null`;

/** Each reaches all that it should, soon. */
export async function expectConnected({ guest }: Lab): Promise<void> {
  const pings = [
    ping("web", address("lan", 11)),
    ping("web", address("lan", 1)),
    ping("router", address("red", 10)),
    ping("db", address("far", 1)),
  ];
  const all = `set -x\n${pings.join("\n")}`;
  await until("each is reached", () => guest.must(all), { withinMs: 60_000, everyMs: 500 });
}

/** A container of a network with port security is not heard under another's address. */
export async function expectSecured({ guest }: Lab): Promise<void> {
  const { code, stdout } = await guest.run(`
    ip netns exec web ip address add ${SUBNETS.lan}.66/24 dev eth0
    status=0
    ip netns exec web busybox ping -c1 -W1 -I ${SUBNETS.lan}.66 ${SUBNETS.lan}.11 || status=$?
    ip netns exec web ip address del ${SUBNETS.lan}.66/24 dev eth0
    exit $status`);
  expect([code, stdout]).toEqual([1, expect.stringContaining("100% packet loss")]);
}

/** All that is to be the same after a boot: the containers' addresses, and what the switch has. */
export async function snapshot({ guest }: Lab): Promise<Readonly<Record<string, string>>> {
  const rows = (table: string, columns: string) =>
    `ovs-vsctl --timeout=20 -f csv --no-headings --columns=${columns} list ${table} | sort`;
  const parts = {
    ...Object.fromEntries(Object.keys(CONTAINERS).map((name) => [name, addressesOf(name)])),
    bridges: rows("Bridge", "name,datapath_type,fail_mode,other_config,external_ids"),
    ports: rows("Port", "tag,vlan_mode,trunks,protected"),
    interfaces: rows("Interface", "type,options,ingress_policing_rate,mac,mtu_request,mtu,error"),
    qos: rows("QoS", "type,other_config"),
  };
  const printed = await guest.must(
    Object.values(parts)
      .map((script) => `${script}; echo ${BETWEEN}`)
      .join("\n"),
  );
  const texts = printed.split(`${BETWEEN}`);
  return Object.fromEntries(Object.keys(parts).map((name, i) => [name, texts[i]?.trim() ?? ""]));
}

const BETWEEN = "----";

function addressesOf(namespace: string): string {
  return `ip -n ${namespace} -4 -o address | grep -o '10[0-9./]*/24' | sort; ip -n ${namespace} link | grep -c ${MAC} || true`;
}

/** Nothing of ours, neither in the switch nor among the links. */
export async function expectNothingLeft({ guest, services }: Lab): Promise<void> {
  const tables = ["Bridge", "Port", "Interface", "QoS"];
  const left = tables.map((table) => `ovs-vsctl --timeout=20 --bare --columns=_uuid list ${table}`);
  expect(await guest.must(left.join("\n"))).toBe("");
  const links = await guest.must("ip -br link | sed 's/[ @].*//'");
  expect(links.split("\n").filter((name) => !FOUND.includes(name))).toEqual([]);
  expect(JSON.parse(await services.cli("network", "ls", "-o", "json")).networks).toEqual([]);
}

/** `dummy0` comes with its module. */
const FOUND = ["lo", "lan0", "far0", "dummy0"];

/** Bits a second that a TCP connection carries from one namespace to another. */
export async function throughput(
  { guest }: Lab,
  { from, to, at, bytes }: { from: string; to: string; at: string; bytes: number },
): Promise<number> {
  const printed = await guest.must(`
    ip netns exec ${to} busybox nc -l -p 5001 -e sh -c 'head -c ${bytes} | wc -c >/tmp/arrived' &
    until ip netns exec ${to} ss -Hltn sport = :5001 | grep -q .; do :; done
    begun=$(date +%s%N)
    ip netns exec ${from} bash -c 'head -c ${bytes} /dev/zero >/dev/tcp/${at}/5001'
    wait $!
    echo $((($(date +%s%N) - begun) / 1000000))
    cat /tmp/arrived`);
  const [milliseconds, arrived] = printed.split("\n").map(Number);
  expect(arrived).toBe(bytes);
  return (bytes * 8 * 1000) / (milliseconds ?? Number.NaN);
}
