import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IMAGE } from "../test/ground/dockerd.ts";
import { DRIVER, ROUTER, type Scene, startScene } from "../test/ground/scene.ts";
import { leftAtTheEnd, RUN_VARIABLE, surroundings } from "./leftovers.ts";

// `make demo`: the product on a LAN of its own. Shown are the commands that a user would type, and what they print.

// Temporary files of its own: in the machine's folder other programs come and go.
const run = { id: randomUUID(), tmp: mkdtempSync(join(tmpdir(), "ul-")) };
process.env[RUN_VARIABLE] = run.id;
process.env["TMPDIR"] = run.tmp;
const started = performance.now();
const before = await surroundings(run);
{
  await using scene = await startScene("newest");
  await show(scene);
}
const left = await leftAtTheEnd(before, run);
rmSync(run.tmp, { recursive: true });
if (left.length > 0) {
  process.stderr.write(`\nthe demo left something behind:\n  ${left.join("\n  ")}\n`);
  process.exit(1);
}
title(`Torn down, nothing left behind. ${((performance.now() - started) / 1000).toFixed(1)} s`);

async function show(scene: Scene): Promise<void> {
  const { host, dockerd, underlay } = scene;
  const docker = (...args: string[]) =>
    shown(`docker ${args.map(quoted).join(" ")}`, dockerd.docker(...args));

  title(
    `A private host: dockerd ${host.engine.version}, underlay daemon, and a NIC lan0 on a LAN with a router`,
  );
  await shown("ip -brief address", host.must(["ip", "-brief", "address"]));
  await shown("ip -brief address      # on the router", host.router(["ip", "-brief", "address"]));

  title("A network on the LAN, and two containers");
  const ipam = ["--subnet", "10.77.0.0/24", "--gateway", ROUTER.v4, "--ip-range", "10.77.0.64/27"];
  await docker("network", "create", "-d", DRIVER, "-o", "parent=lan0", ...ipam, "lan");
  await docker("run", "-d", "--name", "web", "--network", "lan", IMAGE, "sleep", "1000");
  await docker("run", "-d", "--name", "db", "--network", "lan", "--ip", "10.77.0.70", IMAGE, "sleep", "1000");

  title("They reach each other by name, and the router");
  await docker("exec", "web", "ping", "-c1", "-W2", "db");
  await docker("exec", "db", "ping", "-c1", "-W2", ROUTER.v4);

  title("What a container sees");
  await docker("exec", "web", "ip", "address");
  await docker("exec", "web", "ip", "route");

  title("What Underlay knows");
  const id = await dockerd.docker("network", "inspect", "--format", "{{.Id}}", "lan");
  await shown("underlay network inspect …", underlay.cli("network", "inspect", id));
  await shown("underlay endpoint ls", underlay.cli("endpoint", "ls"));
  await shown("underlay status", underlay.cli("status"));

  title("Away again");
  await docker("rm", "-f", "web", "db");
  await docker("network", "rm", "lan");
  await shown("underlay endpoint ls", underlay.cli("endpoint", "ls"));
}

async function shown(command: string, output: Promise<string>): Promise<void> {
  process.stdout.write(`$ ${command}\n`);
  process.stdout.write(`${await output}\n`);
}

function title(text: string): void {
  process.stdout.write(`\n== ${text}\n`);
}

function quoted(word: string): string {
  return /^[\w.,:/=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
