import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PROGRAM } from "../ground/daemon.ts";
import { IMAGE } from "../ground/dockerd.ts";
import { followGuide, type GuideBlock, readGuide, type Typist } from "../ground/guide.ts";
import type { Guest } from "./guest.ts";
import type { Lab, Scenario } from "./scenario.ts";
import { quoted, type Services, type Within } from "./services.ts";

/** Guides that are done as they are written, on a host whose NIC is `eth0`, on a LAN whose router is 192.168.1.1. */

/** The host's NIC. dockerd looks once whether the host forwards, and its client warns of one that does not. */
const NIC = `
  echo 1 >/proc/sys/net/ipv4/ip_forward
  ip link set lan0 down; ip link set lan0 name eth0; ip link set eth0 up
  ip address add 192.168.1.2/24 dev eth0
  ip route add default via 192.168.1.1`;

/** What a reader's machine has and a minimal Debian has not. */
const PROGRAMS = 'ln -s "$(command -v busybox)" /usr/bin/ping';

/** The machine, as it is after a boot. `lan`: a script that makes what is at the other end of its cable. */
export async function startHost({ guest, services }: Lab, lan: string): Promise<void> {
  await guest.must(`${NIC}\n${lan}`);
  await services.underlay();
  await services.dockerd();
}

/** A machine that is there for the first time. */
export async function makeHost(lab: Lab, lan: string): Promise<void> {
  await lab.guest.must(PROGRAMS);
  await startHost(lab, lan);
  await pullImage(lab.services);
}

/** What a reader's `docker run busybox` gets from a registry is made of the test's own image. */
export async function pullImage(services: Services): Promise<void> {
  await services.image();
  const made = await services.docker("create", IMAGE, "sh");
  await services.docker("commit", "--change", 'CMD ["sh"]', made, "busybox:latest");
  await services.docker("rm", made);
}

/** One command as a reader would type it, with both of its streams on one terminal. */
export function typistIn(guest: Guest, within?: Within): Typist {
  const search = `export DOCKER_HOST=unix:///run/docker.sock PATH=${dirname(PROGRAM)}:$PATH`;
  return (command) =>
    guest.run(`exec 2>&1\n${search}\nexec ${within?.enter ?? ""} bash -euc ${quoted(command)}`);
}

/** The same for a guide in which `reboot` is typed. `lan`: as for `startHost`. */
export function rebootingTypist(lab: Lab, lan: string): Typist {
  const type = typistIn(lab.guest);
  return async (command) => {
    if (command !== "reboot") return type(command);
    await lab.guest.reboot();
    await startHost(lab, lan);
    return { code: 0, stdout: "" };
  };
}

/** Who types the blocks of a guide that are for one machine; without a name, on the only one. */
export type Typists = (lab: Lab, machine: string | undefined) => Typist;

/** One scenario for each section of a guide in which something is typed, or for each of those that are named. */
export function guideScenarios(
  scenario: Scenario,
  guide: string,
  typist: Typists = ({ guest }) => typistIn(guest),
  sections?: readonly string[],
): void {
  const all = readGuide(readFileSync(join(import.meta.dir, "../..", guide), "utf8"));
  const blocks = all.filter(({ section }) => sections?.includes(section) ?? true);
  for (const section of sections ?? [])
    if (!blocks.some((block) => block.section === section)) throw new Error(`${guide} has no ${section}`);
  // What follows a failure fails with it and tells nothing new.
  let failed: string | undefined;
  for (const [section, mine] of Map.groupBy(blocks, (block) => block.section))
    scenario(
      `${guide}: ${section}`,
      async (lab) => {
        if (failed !== undefined) throw new Error(`not typed, "${failed}" failed before it`);
        failed = section;
        for (const block of mine) await follow(guide, block, (machine) => typist(lab, machine));
        failed = undefined;
      },
      // The guide's own containers are not counted; they are started by the shell.
      { timeoutMs: 240_000 },
    );
  scenario(`${guide} clears away what it makes`, async ({ guest, services }) => {
    expect(JSON.parse(await services.cli("network", "ls", "-o", "json")).networks).toEqual([]);
    expect(await services.docker("ps", "--all", "--quiet")).toBe("");
    expect((await linksOf(guest)).filter((name) => !FOUND.includes(name))).toEqual([]);
  });
}

async function follow(guide: string, block: GuideBlock, typist: (machine?: string) => Typist): Promise<void> {
  if (block.kind === "commands") return followGuide(guide, block, typist(block.machine));
  const { code, stdout } = await typist()(`mkdir -p ${dirname(block.name)}
    printf %s ${quoted(block.text)} >${block.name}`);
  if (code !== 0) throw new Error(`${guide}:${block.line}: ${block.name} cannot be written: ${stdout}`);
}

/** `dummy0` comes with its module; some hosts have a second NIC. */
const FOUND = ["lo", "eth0", "eth1", "dummy0"];

async function linksOf(guest: Guest): Promise<string[]> {
  const links: readonly { ifname: string }[] = JSON.parse(await guest.must("ip -j link"));
  return links.map(({ ifname }) => ifname);
}
