import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { type Dockerd, DockerNetwork, dockerdAt } from "../dockerd.ts";
import { type Captured, DOCKER_20, DOCKER_28 } from "./dockerd.golden.ts";
import { chosen, type Plan, planOf } from "./plan.ts";
import { toCreate } from "./target.ts";
import { type User, usersOf } from "./users.ts";

const folder = mkdtempSync(join(tmpdir(), "underlay-plan-"));
afterAll(() => rmSync(folder, { recursive: true }));

function serve(name: string, { networks, containers, inspected }: Captured): Bun.Server<undefined> {
  const answers: Record<string, string> = {
    "/networks": `[${networks.join(",")}]`,
    "/containers/json": `[${containers.join(",")}]`,
    ...Object.fromEntries(inspected.map((each) => [`/containers/${JSON.parse(each).Id}/json`, each])),
  };
  return Bun.serve({
    unix: join(folder, name),
    fetch: ({ url }) => {
      const answer = answers[new URL(url).pathname];
      return new Response(answer ?? '{"message":"no such thing"}', {
        status: answer === undefined ? 404 : 200,
      });
    },
  });
}

describe.each([
  ["20.10", DOCKER_20],
  ["28.5", DOCKER_28],
] as const)("what Docker %s told", (version, captured) => {
  let server: Bun.Server<undefined>;
  let dockerd: Dockerd;
  let all: readonly DockerNetwork[];
  beforeAll(async () => {
    server = serve(version, captured);
    dockerd = dockerdAt(join(folder, version));
    all = await dockerd.networks();
  });
  afterAll(() => server.stop(true));

  async function planned(
    name: string,
    problems: string[] = [],
    except: (user: User) => boolean = () => false,
  ): Promise<Plan> {
    const [choice] = chosen(all, [name]);
    if (choice === undefined) throw new Error(`no network ${name} was captured`);
    const found = problems.map((message) => ({ subject: "it", message }));
    const users = await usersOf(dockerd, choice.network);
    return planOf(
      choice,
      users.filter((user) => !except(user)),
      found,
    );
  }

  test("a network with everything becomes the command that made it, but for the driver", async () => {
    const { commands, restore } = await planned("full");
    const create =
      "docker network create -d underlay-macvlan --ipv6" +
      " --subnet 10.61.0.0/24 --ip-range 10.61.0.128/27 --gateway 10.61.0.1" +
      " --aux-address host=10.61.0.130 --aux-address nas=10.61.0.129" +
      " --subnet 10.62.0.0/24 --gateway 10.62.0.1" +
      " --subnet fd61::/64 --ip-range fd61::80/121 --gateway fd61::1 --aux-address six=fd61::81" +
      ` -o macvlan_mode=bridge -o parent=lan0 --label 'com.example.it=o'\\''ne two' --label plain full`;
    expect(commands).toContain(create);
    expect(restore).toBe(create.replace("underlay-macvlan", "macvlan"));
  });

  test("all its containers are found, whatever their state, with what was chosen for them", async () => {
    const { users, readiness, reasons, notes } = await planned("full");
    expect(readiness).toBe("by_hand");
    expect(
      users.map(({ name, byId, chosen: { ip, mac, aliases } }) => ({ name, byId, ip, mac, aliases })),
    ).toEqual([
      { name: "byid", byId: true, ip: undefined, mac: undefined, aliases: [] },
      { name: "made", byId: false, ip: undefined, mac: undefined, aliases: [] },
      { name: "stopped", byId: false, ip: undefined, mac: undefined, aliases: [] },
      { name: "web", byId: false, ip: "10.61.0.140", mac: "02:11:22:33:44:55", aliases: ["www"] },
    ]);
    expect(reasons).toEqual([
      "byid was made with the network's id, which a new one does not have: make it anew with the name first",
    ]);
    expect(notes).toEqual([
      "web: its MAC address 02:11:22:33:44:55 was chosen, and newer Dockers forget that here: make it anew with --mac-address",
    ]);
  });

  test("they are taken off before and put back after", async () => {
    const { commands, readiness, reasons } = await planned("full", [], ({ byId }) => byId);
    expect([readiness, reasons]).toEqual([
      "in_use",
      ["used by made (created), stopped (exited), web (running)"],
    ]);
    expect(commands.map((line) => line.replace(/ create .*/, " create"))).toEqual([
      "docker network disconnect full made",
      "docker network disconnect full stopped",
      "docker network disconnect full web",
      "docker network rm full",
      "docker network create",
      "docker network connect full made",
      "docker network connect full stopped",
      "docker network connect --ip 10.61.0.140 --alias www full web",
    ]);
  });

  test("a network that nobody uses is ready, unless something speaks against it", async () => {
    expect(await planned("ipl3")).toMatchObject({
      readiness: "ready",
      users: [],
      commands: [
        "docker network rm ipl3",
        "docker network create -d underlay-ipvlan --subnet 10.66.0.0/24 --gateway 10.66.0.1 -o ipvlan_mode=l3 -o parent=lan0 ipl3",
      ],
    });
    expect(await planned("ipl3", ["no such driver"])).toMatchObject({
      readiness: "refused",
      reasons: ["no such driver"],
    });
  });

  test("a network of the swarm is for a person to move", async () => {
    const { readiness, commands } = await planned("swarmy");
    expect([readiness, commands.at(-1)]).toEqual([
      "by_hand",
      "docker network create -d underlay-macvlan --scope swarm --attachable --config-from cfg swarmy",
    ]);
  });

  test("without names those of both drivers are meant, and no configuration", () => {
    const names = chosen(all, []).map(({ network }) => network.Name);
    expect(names).toContain("full");
    expect(names).toContain("ipl3");
    expect(names).not.toContain("cfg");
  });

  test("names, ids and the beginnings of ids name a network; others are told together", () => {
    const [full] = chosen(all, ["full"]);
    const id = full?.network.Id ?? "";
    for (const name of [id, id.slice(0, 12)]) expect(chosen(all, [name])).toEqual(full ? [full] : []);
    expect(chosen(all, ["full", id])).toHaveLength(1);
    expect(() => chosen(all, ["ful", "nonsense"])).toThrow(
      "Docker has no network ful, did you mean full?; Docker has no network nonsense",
    );
    expect(() => chosen(all, ["full", "cfg"])).toThrow(
      "network cfg is a configuration, which serves any driver",
    );
  });
});

describe("what is said of what will be different", () => {
  const network = (more: object): DockerNetwork =>
    v.parse(DockerNetwork, { Name: "lan", Id: "1", Driver: "macvlan", ...more });
  const notes = (...networks: DockerNetwork[]) =>
    chosen(networks, []).map((each) => planOf(each, [], []).notes);

  test.each([
    ["nothing, for options that both read", { Options: { parent: "eth0", macvlan_mode: "vepa" } }, []],
    [
      "options that Docker's driver ignored",
      { Options: { parent: "eth0", mtu: "1400", "com.docker.network.enable_ipv6": "true" } },
      ["Docker's driver ignored mtu; underlay-macvlan does not"],
    ],
    [
      "the project of Compose",
      { Labels: { "com.docker.compose.project": "shop" } },
      [
        "made by Compose, project shop: say driver: underlay-macvlan in its file too, or `up` wants the old one",
      ],
    ],
  ])("%s", (_what, more, expected) => {
    expect(notes(network(more))).toEqual([expected]);
  });

  test("networks on one VLAN link, which goes with the last of them", () => {
    const Options = { parent: "eth0.50" };
    const both = [network({ Options }), network({ Options, Name: "lab", Id: "2" })];
    const why = "Docker's driver may remove eth0.50 with the last of its networks there: move";
    expect(notes(...both)).toEqual([
      [`${why} lab too before containers start again`],
      [`${why} lan too before containers start again`],
    ]);
    expect(notes(network({ Options }), network({ Id: "3", Driver: "bridge", Options }))).toEqual([[]]);
  });
});

describe("what Docker 28 can have besides", () => {
  const network = (name: string): DockerNetwork =>
    v.parse(
      DockerNetwork,
      JSON.parse(DOCKER_28.networks.find((each) => each.includes(`"Name":"${name}"`)) ?? ""),
    );

  test.each([
    ["six", { EnableIPv4: false, EnableIPv6: true }],
    [
      "odd",
      {
        Internal: true,
        Attachable: true,
        Options: { "com.docker.network.driver.mtu": "1400", foo: "bar", parent: "lan0" },
      },
    ],
    ["ipamopt", { IPAM: { Driver: "default", Options: { x: "y" }, Config: [{ Subnet: "10.69.0.0/24" }] } }],
  ])("%s", (name, body) => {
    expect(toCreate(network(name), "underlay-macvlan")).toMatchObject(body);
  });
});
