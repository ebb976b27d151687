import { expect } from "bun:test";
import { PROGRAM, STATE_DIR } from "../ground/daemon.ts";
import { scenariosIn } from "./scenario.ts";

/** What the lab itself promises, and which kernel it gives. */

const scenario = scenariosIn("oldest");
const MODULES = [
  ...["macvlan", "macvtap", "ipvlan", "ipvtap", "8021q", "dummy", "vxlan", "geneve", "openvswitch", "bridge"],
  ...[
    "br_netfilter",
    "nf_tables",
    "bonding",
    "team",
    "team_mode_activebackup",
    "macsec",
    "vrf",
    "ifb",
    "tun",
  ],
];

scenario("the modules that the host kernel lacks are loaded", async ({ guest }) => {
  for (const module of MODULES) await guest.must(`modprobe ${module}`);
  const loaded = (await guest.must("lsmod")).split("\n").map((line) => line.split(/\s+/)[0]);
  expect(loaded).toEqual(expect.arrayContaining(MODULES));
});

/** On a cable between p0 and p1, and a dummy d0; each is removed again. */
const LINKS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["bridge", "private", "vepa", "source", "passthru"].map((mode) => [
      `macvlan ${mode}`,
      `link p0 type macvlan mode ${mode}`,
    ]),
  ),
  ...Object.fromEntries(
    ["l2", "l3", "l3s"].flatMap((mode) =>
      ["bridge", "private", "vepa"].map((flag) => [
        `ipvlan ${mode} ${flag}`,
        `link p0 type ipvlan mode ${mode} ${flag}`,
      ]),
    ),
  ),
  "the lowest VLAN": "link p0 type vlan id 1",
  "the highest VLAN": "link p0 type vlan id 4094",
  "an outer 802.1ad tag": "link p0 type vlan protocol 802.1ad id 100",
  "a VLAN on a dummy": "link d0 type vlan id 5",
  "an active-backup bond": "type bond mode active-backup miimon 100",
  team: "type team",
  "a bridge that filters VLANs": "type bridge vlan_filtering 1",
  vxlan: "type vxlan id 5 dstport 4789 local 127.0.0.1",
  macsec: "link d0 type macsec",
  vrf: "type vrf table 10",
};

scenario("it makes links of every kind and mode that networks are made of", async ({ guest }) => {
  const tries = Object.entries(LINKS).map(
    ([name, words]) => `ip link add try0 ${words} || echo '${name}'; ip link del try0 || true`,
  );
  const missing = await guest.must(`
    ip link add p0 type veth peer name p1; ip link set p0 up; ip link set p1 up
    ip link add d0 type dummy
    ${tries.join("\n")}
    ip link add link p0 name outer type vlan protocol 802.1ad id 100
    ip link add link outer name inner type vlan id 20
    bridge -j vlan show >/dev/null
    ip link del p0; ip link del d0`);
  expect(missing).toBe("");
});

scenario("a script's exit code, its output and its time come back", async ({ guest }) => {
  const ran = await guest.run("echo out; echo err >&2; sleep 0.5; exit 3");
  expect(ran).toEqual({ code: 3, stdout: "out\n", stderr: "err\n", ms: expect.any(Number) });
  expect(ran.ms).toBeGreaterThan(499);
  expect((await guest.run("false; echo went on")).stdout).toBe("");
  expect((await guest.run("sleep 100", { timeoutMs: 500 })).code).toBe(124);
});

scenario(
  "two scripts run at the same time, and a process that goes on is told apart by its name",
  async ({ guest }) => {
    // Opening a FIFO waits for the other side.
    const [reader] = await Promise.all([
      guest.must("mkfifo -m 600 /run/fifo 2>/dev/null || true; cat /run/fifo"),
      guest.must("until [ -p /run/fifo ]; do :; done; echo met >/run/fifo"),
    ]);
    expect(reader).toBe("met");
    const server = await guest.start("server", "echo serving 1; exec sleep 1000");
    expect(await server.said(/serving/)).toBe("serving 1");
    server.signal("SIGKILL");
    expect(await server.ended).toBe(137);
  },
);

scenario("nothing of the machine can be written, and nothing of its network is seen", async ({ guest }) => {
  await guest.must("touch /etc/a-file && test -e /etc/a-file");
  const links = JSON.parse(await guest.must("ip -j link")).map((link: { ifname: string }) => link.ifname);
  // What modules bring along on their own.
  expect(links.filter((name: string) => !/^(bond|ifb|dummy|ovs-system)/.test(name))).toEqual(["lo", "lan0"]);
  expect(await Bun.file("/etc/a-file").exists()).toBe(false);
  expect((await guest.run("echo 1 >/opt/underlay/underlay")).code).not.toBe(0);
});

scenario("a reboot keeps the disk, and nothing else", async ({ guest }) => {
  const boot = "cat /proc/sys/kernel/random/boot_id";
  const before = await guest.must(`echo kept >${STATE_DIR}/file; echo lost >/run/file; ${boot}`);
  await guest.reboot();
  expect(await guest.must(`cat ${STATE_DIR}/file; test ! -e /run/file`)).toBe("kept");
  expect(await guest.must(boot)).not.toBe(before);
});

scenario(
  "what was flushed outlives a power cut; what the disk's cache had, and what the kernel had, does not",
  async ({ guest }) => {
    const direct = (text: string) =>
      `printf ${text} | dd of=${STATE_DIR}/direct bs=4096 conv=sync,notrunc oflag=direct status=none`;
    await guest.must(`
    printf %s first >${STATE_DIR}/in-memory
    ${direct("first")}
    sync
    ${direct("flushed")}
    sync ${STATE_DIR}/direct
    ${direct("in-the-disk-s-cache")}
    printf %s second >${STATE_DIR}/in-memory-2`);
    expect(await guest.cut()).toBeGreaterThan(0);
    await expect(guest.run("true")).rejects.toThrow("the guest is off");
    await guest.boot();
    expect(await guest.must(`tr -d '\\0' <${STATE_DIR}/direct`)).toBe("flushed");
    expect(await guest.must(`cat ${STATE_DIR}/in-memory`)).toBe("first");
    expect((await guest.run(`cat ${STATE_DIR}/in-memory-2`)).stdout).toBe("");
  },
);

scenario("the program starts, although every page of it comes from the machine", async ({ guest }) => {
  const ran = await guest.run(`${PROGRAM} --version`);
  expect(ran.stdout).toMatch(/^underlay \d/);
  expect(ran.ms).toBeLessThan(10_000);
});
