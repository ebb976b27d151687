import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PROGRAM } from "../ground/daemon.ts";
import { IMAGE } from "../ground/dockerd.ts";
import { type CommandBlock, followGuide, readGuide } from "../ground/guide.ts";
import { scenariosIn } from "./scenario.ts";

/** The guide is done as it is written, on a host whose NIC is `eth0`, on a LAN whose router is 192.168.1.1. */

const GUIDE = "docs/guide/ipvlan.md";
const commandBlocks = readGuide(readFileSync(join(import.meta.dir, "../..", GUIDE), "utf8")).filter(
  (block): block is CommandBlock => block.kind === "commands",
);

const scenario = scenariosIn("newest");

scenario("the host of the guide", async ({ guest, services }) => {
  // dockerd looks once whether the host forwards, and its client warns of one that does not.
  await guest.must(`
    echo 1 >/proc/sys/net/ipv4/ip_forward
    ip link set lan0 down; ip link set lan0 name eth0; ip link set eth0 up
    ip address add 192.168.1.2/24 dev eth0
    ip -n router address add 192.168.1.1/24 dev lan1
    ip -n router address add 192.168.2.1/24 dev lan1
    ip -n router route add 10.80.0.0/16 via 192.168.1.2`);
  await services.underlay();
  await services.dockerd();
  await services.image();
  await guest.must(`
    export DOCKER_HOST=unix:///run/docker.sock
    made=$(docker create ${IMAGE} sh)
    docker commit --change 'CMD ["sh"]' "$made" busybox:latest
    docker rm "$made"`);
});

const sections = Map.groupBy(commandBlocks, ({ section }) => section);
for (const [section, blocks] of sections)
  scenario(
    `${GUIDE}: ${section}`,
    async ({ guest }) => {
      for (const block of blocks)
        await followGuide(GUIDE, block, (command) =>
          guest.run(
            `exec 2>&1; export DOCKER_HOST=unix:///run/docker.sock PATH=${dirname(PROGRAM)}:$PATH\n${command}`,
          ),
        );
    },
    // The guide's own containers are not counted; they are started by the shell.
    { timeoutMs: 240_000 },
  );

scenario("the guide clears away what it makes", async ({ guest, services }) => {
  expect(JSON.parse(await guest.must("ip -j link show type ipvlan"))).toEqual([]);
  expect(JSON.parse(await services.cli("network", "ls", "-o", "json")).networks).toEqual([]);
  expect(await services.docker("ps", "--all", "--quiet")).toBe("");
});
