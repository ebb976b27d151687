import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PROGRAM } from "../ground/daemon.ts";
import { IMAGE, LASTING } from "../ground/dockerd.ts";
import { type CommandBlock, followGuide, readGuide } from "../ground/guide.ts";
import { DRIVER } from "../ground/scene.ts";
import { until } from "../ground/until.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

/** What the guide says of ipvlan, typed as it stands; and a container with `host_access` through reboots. */

const GUIDE = "docs/guide/host-access.md";
const SECTION = "On ipvlan";
const blocks = readGuide(readFileSync(join(import.meta.dir, "../..", GUIDE), "utf8")).filter(
  (block): block is CommandBlock => block.kind === "commands" && block.section === SECTION,
);

const scenario = scenariosIn("newest");

const PROGRAMS = "/tmp/programs";
const HOST = { v4: "10.50.0.9", v6: "fd50::9" } as const;
const WEB = { v4: "10.50.0.71", v6: "fd50::71" } as const;

async function hostLinks({ guest }: Lab): Promise<string[]> {
  const links: readonly { ifname?: string }[] = JSON.parse(await guest.must("ip -j link show"));
  return links.flatMap(({ ifname = "" }) => (ifname.startsWith("ulh-") ? [ifname] : []));
}

scenario(
  `${GUIDE}: ${SECTION}`,
  async (lab) => {
    const { guest, services } = lab;
    await guest.must(`
      echo 1 >/proc/sys/net/ipv4/ip_forward
      ip link set lan0 down; ip link set lan0 name eth0; ip link set eth0 up
      ip address add 192.168.1.2/24 dev eth0
      ip -n router address add 192.168.1.1/24 dev lan1
      mkdir ${PROGRAMS}; ln -s $(command -v busybox) ${PROGRAMS}/ping`);
    await services.underlay();
    await services.dockerd();
    await services.image();
    await guest.must(`
      export DOCKER_HOST=unix:///run/docker.sock
      made=$(docker create ${IMAGE} sh)
      docker commit --change 'CMD ["sh"]' "$made" busybox:latest
      docker rm "$made"`);
    expect(blocks.length).toBeGreaterThan(3);
    const shell = `exec 2>&1; export DOCKER_HOST=unix:///run/docker.sock PATH=${PROGRAMS}:${dirname(PROGRAM)}:$PATH`;
    for (const block of blocks)
      await followGuide(GUIDE, block, (command) => guest.run(`${shell}\n${command}`));
    expect(await hostLinks(lab)).toEqual([]);
    expect(JSON.parse(await services.cli("network", "ls", "-o", "json")).networks).toEqual([]);
  },
  // The guide's own containers are not counted; they are started by the shell.
  { timeoutMs: 360_000 },
);

const bothWays = (lab: Lab) =>
  until(
    "host and container reach each other",
    async () => {
      const { code } = await lab.guest.run(`
        for each in ${WEB.v4} ${WEB.v6}; do busybox ping -c1 -W2 $each; done
        for each in ${HOST.v4} ${HOST.v6}; do
          docker -H unix:///run/docker.sock exec web ping -c1 -W2 $each
        done`);
      return code === 0;
    },
    { withinMs: 60_000 },
  );

scenario(
  "a container with a restart policy, on a VLAN, in both families",
  async (lab) => {
    const { services } = lab;
    await services.docker(
      ...["network", "create", "-d", DRIVER, "-o", "parent=eth0.50"],
      ...["-o", "host_access=true", "-o", `host_address=${HOST.v4},${HOST.v6}`],
      ...["--subnet=10.50.0.0/24", "--gateway=10.50.0.1", `--aux-address=host=${HOST.v4}`],
      ...["--ipv6", "--subnet=fd50::/64", "--gateway=fd50::1", `--aux-address=host6=${HOST.v6}`, "lan50"],
    );
    const address = [`--ip=${WEB.v4}`, `--ip6=${WEB.v6}`];
    const run = ["run", "-d", "--name=web", "--restart=always", "--network=lan50", ...address];
    await services.docker(...run, IMAGE, ...LASTING);
    await bothWays(lab);
  },
  { containers: 1 },
);

const EARLY = /locate plugin.*retrying|plugin .*not found/i;

for (const { order, begin } of [
  {
    order: "the daemon first",
    begin: async ({ services }: Lab) => {
      await services.underlay();
      await services.dockerd();
    },
  },
  {
    order: "dockerd first, which asks for the driver in vain",
    begin: async ({ guest, services }: Lab) => {
      const from = guest.log().length;
      const dockerd = services.dockerd();
      const isEarly = () =>
        guest
          .log()
          .slice(from)
          .some((line) => EARLY.test(line));
      await until("dockerd misses the driver", async () => isEarly(), { withinMs: 60_000 });
      await services.underlay();
      await dockerd;
    },
  },
])
  scenario(`a reboot brings back VLAN, container, the host's link and its routes: ${order}`, async (lab) => {
    await lab.guest.reboot();
    // A dockerd that starts on a kernel without IPv6, here a module, gives no IPv6 addresses as long as it lives.
    await lab.guest.must(
      "modprobe ipv6; ip link set lan0 down; ip link set lan0 name eth0; ip link set eth0 up",
    );
    expect(await hostLinks(lab)).toEqual([]);
    await begin(lab);
    await bothWays(lab);
    const [link = "none", ...more] = await hostLinks(lab);
    expect(more).toEqual([]);
    expect(JSON.parse(await lab.guest.must(`ip -j link show ${link}`))).toMatchObject([{ link: "eth0.50" }]);
    expect(await lab.services.cli("status")).not.toContain("UL-R06");
  });

scenario("the last container's end takes the link along, the network's the VLAN", async (lab) => {
  await lab.services.docker("rm", "-f", "web");
  expect(await hostLinks(lab)).toEqual([]);
  await lab.services.docker("network", "rm", "lan50");
  expect(JSON.parse(await lab.guest.must("ip -j link show type vlan"))).toEqual([]);
});
