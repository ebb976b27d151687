import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { SCHEMAS } from "../../daemon/api.ts";
import { DockerNetwork } from "../../docker/dockerd.ts";
import { DOCKER_28 } from "../../docker/migrate/dockerd.golden.ts";
import { fileJournal } from "../../docker/migrate/journal.ts";
import { newHost } from "../cli.fixture.ts";

/** On a host whose dockerd has what was captured, and takes no change. */

const host = newHost();
const env = { UNDERLAY_DOCKER_SOCKET: join(host.stateDir, "../docker.sock") };
const changes: string[] = [];
let dockerd: Bun.Server<undefined> | undefined;

const answers: Readonly<Record<string, string>> = {
  "/networks": `[${DOCKER_28.networks.join(",")}]`,
  "/containers/json": `[${DOCKER_28.containers.join(",")}]`,
  ...Object.fromEntries(DOCKER_28.inspected.map((each) => [`/containers/${JSON.parse(each).Id}/json`, each])),
};

beforeAll(() => {
  dockerd = Bun.serve({
    unix: env.UNDERLAY_DOCKER_SOCKET,
    fetch: ({ method, url }) => {
      if (method !== "GET") changes.push(`${method} ${url}`);
      const answer = method === "GET" ? answers[new URL(url).pathname] : undefined;
      return new Response(answer ?? '{"message":"not here"}', { status: answer === undefined ? 500 : 200 });
    },
  });
  host.startDaemon();
});
afterAll(async () => {
  await dockerd?.stop(true);
  await host.close();
});

const run = (line: string, more: Record<string, string> = {}) => host.run(line, { env: { ...env, ...more } });

async function networksOf(line: string, more: Record<string, string> = {}) {
  const { code, out, err } = await run(`${line} -o json`, more);
  expect([code, err]).toEqual([0, ""]);
  return v.parse(SCHEMAS["underlay.migrate/v1"], JSON.parse(out)).networks;
}

test("the plan is JSON of its schema, and its text does nothing but comment on what cannot be done", async () => {
  const networks = await networksOf("migrate docker");
  expect(networks.map(({ name }) => name)).toContain("full");
  // There is no link lan0 here.
  expect(networks.find(({ name }) => name === "full")).toMatchObject({
    status: "refused",
    reasons: [expect.stringContaining("UL-P01")],
    containers: [
      { name: "byid" },
      { name: "made" },
      { name: "stopped" },
      { name: "web", ip: "10.61.0.140", mac: "02:11:22:33:44:55", aliases: ["www"] },
    ],
  });
  const { out } = await run("migrate docker");
  expect(out.split("\n").filter((line) => line !== "" && !line.startsWith("#"))).toEqual([]);
});

test("a network without its own parent or mode does not get that of the configuration", async () => {
  const reasons = async (name: string, more: Record<string, string>) =>
    (await networksOf(`migrate docker ${name}`, more))[0]?.reasons;
  expect(await reasons("auto", { UNDERLAY_MACVLAN_MODE: "private" })).toEqual([
    "its mode is bridge; underlay-macvlan would make it private",
  ]);
});

describe("--apply", () => {
  test("touches nothing that would be refused", async () => {
    const { code, out } = await run("migrate docker --apply auto");
    expect([code, out]).toEqual([5, expect.stringContaining("refused  auto")]);
    expect(changes).toEqual([]);
  });

  test.each([
    ["migrate docker --apply full nonsense", 4, "Docker has no network nonsense"],
    ["migrate docker --apply cfg", 5, "is a configuration, which serves any driver"],
    ["migrate docker --apply --dry-run", 2, "--apply does it and --dry-run does not"],
    ["migrate docker full --apply -o wide", 2, "--output"],
    ["migrate", 2, "underlay migrate needs a verb: docker"],
  ])("%s exits with %i", async (line, code, message) => {
    const ran = await run(line);
    expect([ran.code, ran.err]).toEqual([code, expect.stringContaining(message)]);
    expect(changes).toEqual([]);
  });

  test("goes on with what was interrupted, and tells how to restore what nobody takes", async () => {
    const network = v.parse(DockerNetwork, { ...JSON.parse(DOCKER_28.networks[0] ?? ""), Name: "it's" });
    const journal = fileJournal(host.stateDir);
    journal.write({ network, to: "underlay-macvlan" });
    const [planned] = await networksOf("migrate docker it's");
    expect(planned).toMatchObject({ name: "it's", status: "interrupted" });
    const { code, out } = await run("migrate docker --apply it's");
    expect(code).toBe(1);
    expect(out).toContain("\nit's may be gone: run this again, which goes on, or make it as it was:\n");
    expect(out).toMatch(/^docker network create -d macvlan .* 'it'\\''s'$/m);
    expect(changes).toHaveLength(2);
    expect(journal.read()?.network.Name).toBe("it's");
    journal.clear();
  });
});

test("3 without a dockerd, and with --apply without our daemon", async () => {
  const alone = newHost();
  const nobody = { UNDERLAY_DOCKER_SOCKET: join(alone.stateDir, "none.sock") };
  expect(await alone.run("migrate docker", { env: nobody })).toMatchObject({
    code: 3,
    err: expect.stringContaining("dockerd does not answer"),
  });
  expect(await alone.run("migrate docker --apply", { env })).toMatchObject({
    code: 3,
    err: expect.stringContaining("daemon is not running"),
  });
  expect(existsSync(alone.stateDir)).toBe(false);
  await alone.close();
});

test("the shell completes names of Docker's networks, again and again", async () => {
  const names = async (line: string) => (await run(`__complete ${line}`)).out;
  for (const before of ["", "six ", "six ipl3 "])
    expect(await names(`migrate docker ${before}ful`)).toBe("full\tmacvlan\n");
  expect(await names("migrate docker cf")).toBe("");
});
