import { describe, expect, test } from "bun:test";
import type { Attachments } from "../engine/attach.ts";
import type { Pairs } from "../engine/pairs.ts";
import { UnderlayError } from "../lib/errors.ts";
import type { KindName } from "./kinds.ts";
import { attaching, created } from "./messages.fixture.ts";
import { type Host, runNetavark } from "./program.ts";

/** Calls of the program on an engine that notes what it is asked. */

interface Scripted {
  readonly stdin?: string;
  readonly ownNetns?: string;
  readonly fails?: Error;
  readonly kind?: KindName;
}

async function call(
  args: readonly string[],
  { stdin = "", ownNetns, fails, kind = "macvlan" }: Scripted = {},
) {
  const asked: unknown[] = [];
  const out = { stdout: "", stderr: "" };
  const note = (verb: keyof Attachments) => async (request: object) => {
    asked.push([verb, request]);
    if (fails) throw fails;
  };
  const attachments: Attachments = {
    attach: async (request) => {
      await note("attach")(request);
      return { mtu: 1500, assigned: (await request.addresses?.()) ?? { addresses: [], routes: [] } };
    },
    detach: note("detach"),
    verify: note("verify"),
    collect: note("collect"),
    requireReady: async (request) => {
      await note("requireReady")(request);
      return "eth9";
    },
  };
  const pairs: Pairs = {
    attach: async (request) => {
      await note("attach")(request);
      const end = { name: "x", ifindex: 1, mtu: 1500 };
      const assigned = (await request.addresses?.()) ?? { addresses: [], routes: [] };
      return { key: request.key, host: end, inside: end, others: [], assigned };
    },
    detach: note("detach"),
    verify: note("verify"),
    collect: (network) => note("collect")({ network }),
    requireReady: note("requireReady"),
  };
  const host: Host = {
    readStdin: (limit) => new TextEncoder().encode(stdin).subarray(0, limit + 1),
    writeStdout(text) {
      out.stdout += text;
    },
    writeStderr(text) {
      out.stderr += text;
    },
    isOwnNetns: (path) => path === ownNetns,
    attachments: () => attachments,
    pairs: async (wish) => ({
      ...pairs,
      requireReady: (request) => note("requireReady")({ ...request, wish }),
    }),
  };
  const status = await runNetavark({ kind, version: "9.9" }, args, host);
  return { status, asked, ...out, said: out.stdout === "" ? undefined : JSON.parse(out.stdout) };
}

test("info reads nothing", async () => {
  const stdin = "not for it";
  expect(await call(["info"], { stdin })).toMatchObject({
    status: 0,
    said: { version: "9.9", api_version: "1.0.0" },
    asked: [],
  });
});

test.each([
  [[], "no verb: a netavark plugin is called with one of info, create, setup, teardown"],
  [["setpu", "/x"], "unknown verb setpu, did you mean setup?"],
  [["constructor"], "unknown verb constructor"],
  [["setup"], "setup needs the path of a network namespace"],
  [["teardown", ""], "teardown needs the path of a network namespace"],
  [["create", "/x"], "too many arguments for create"],
  [["setup", "/x", "/y"], "too many arguments for setup"],
  [["create"], "nothing came on stdin"],
])("%j is a mistake", async (args, error) => {
  expect(await call(args)).toMatchObject({ status: 1, said: { error: expect.stringContaining(error) } });
});

describe("create", () => {
  const create = (more: object, script: Scripted = {}) =>
    call(["create"], { stdin: JSON.stringify(created(more)), ...script });

  test("answers the network with its defaults, and all else as it came", async () => {
    const { said, asked } = await create({ future: { x: [1] } });
    expect(said).toEqual({
      ...created(),
      future: { x: [1] },
      dns_enabled: false,
      network_interface: "eth0",
      options: { parent: "eth0", mode: "bridge" },
    });
    const parent = { name: "eth0", inside: false, makesVlans: true };
    expect(asked).toEqual([["requireReady", { parent, link: { kind: "macvlan", mode: "bridge" } }]]);
  });

  test("records the link of the default route", async () => {
    expect((await create({ options: {} })).said).toMatchObject({ network_interface: "eth9" });
    const { said } = await create({ options: { parent: "auto" } });
    expect(said).toMatchObject({ network_interface: "eth9", options: { parent: "auto", mode: "bridge" } });
    // Its own answer is no contradiction.
    expect((await create(said)).said).toEqual(said);
  });

  test("leaves DNS on where the network has servers of its own", async () => {
    const { said } = await create({ network_dns_servers: ["10.90.0.53"] });
    expect(said.dns_enabled).toBe(true);
  });

  test("wants a subnet, or to be told that there is none", async () => {
    const subnets = undefined;
    expect((await create({ subnets })).said.error).toContain("the network has no subnet: give it one");
    expect((await create({ subnets, ipam_options: { driver: "none" } })).status).toBe(0);
  });

  test("asks nothing of the kernel when something is wrong already", async () => {
    expect(await create({ options: { mtu: "x", mode: "y" } })).toMatchObject({
      status: 1,
      asked: [],
      said: { error: expect.stringMatching(/^mtu: .*; mode: /) },
    });
  });

  test("says what the engine says", async () => {
    const fails = new UnderlayError("not_found", "no link is called eth0");
    expect(await create({}, { fails })).toMatchObject({
      status: 1,
      stdout: '{"error":"no link is called eth0"}\n',
    });
  });
});

describe("setup", () => {
  const setup = (message: object, script: Scripted = {}) =>
    call(["setup", "/run/netns/x"], { stdin: JSON.stringify(message), ...script });

  test("answers what was made, and tells of ports on stderr", async () => {
    const port_mappings = [{ container_port: 80, host_port: 8080, protocol: "tcp", host_ip: "", range: 1 }];
    const { said, stderr, status } = await setup(attaching({}, {}, { port_mappings }));
    expect(said.interfaces).toEqual({
      eth0: { subnets: [{ gateway: "10.90.0.1", ipnet: "10.90.0.65/24" }] },
    });
    expect([status, stderr]).toEqual([0, expect.stringMatching(/^underlay: network lan publishes no ports/)]);
  });

  test("never in the host's own netns", async () => {
    expect(await setup(attaching(), { ownNetns: "/run/netns/x" })).toMatchObject({ status: 1, asked: [] });
  });

  test("tells all that went wrong, once", async () => {
    const busy = new UnderlayError("kernel", "cannot make a link", { errno: "EBUSY", kernelText: "in use" });
    const fails = new SuppressedError(new AggregateError([new Error("odd"), busy]), busy);
    expect((await setup(attaching(), { fails })).said).toEqual({
      error: "cannot make a link; EBUSY; in use; internal error: odd",
    });
  });

  test("an error of any length fits", async () => {
    const { stdout } = await setup(attaching(), { fails: new UnderlayError("internal", "x".repeat(99_999)) });
    expect(stdout.length).toBeLessThan(5000);
  });
});

describe("teardown", () => {
  const teardown = (message: object, script: Scripted = {}) =>
    call(["teardown", "/run/netns/x"], { stdin: JSON.stringify(message), ...script });

  test("says nothing", async () => {
    expect(await teardown(attaching({}, { interface_name: "lan7" }))).toEqual({
      status: 0,
      asked: [
        [
          "detach",
          {
            netns: "/run/netns/x",
            ifname: "lan7",
            user: {
              owner: "netavark:3b74c1/85d668996714/lan7",
              parent: { name: "eth0", inside: false, makesVlans: true },
            },
          },
        ],
      ],
      stdout: "",
      stderr: "",
      said: undefined,
    });
  });

  test("needs nothing but the name", async () => {
    const broken = { network: "?", port_mappings: 7, network_options: { interface_name: "eth0" } };
    expect((await teardown(broken)).asked).toHaveLength(1);
  });

  test("a name that no link can have is gone already", async () => {
    const { status, asked } = await teardown(attaching({}, { interface_name: "../../etc" }));
    expect({ status, asked }).toEqual({ status: 0, asked: [] });
  });

  test("without a name, or in the host's own netns, it is a mistake", async () => {
    for (const [message, script] of [
      [{}, {}],
      [attaching(), { ownNetns: "/run/netns/x" }],
    ] as const)
      expect(await teardown(message, script)).toMatchObject({ status: 1, asked: [] });
  });
});

describe("as the bridge driver", () => {
  const options = { bridge: "br0", vlan: "50" };
  const key = { network: "netavark:3b74c1", container: "85d668996714", ifname: "eth0" };

  test("create wants the bridge to be there", async () => {
    const { said, asked } = await call(["create"], {
      kind: "bridge",
      stdin: JSON.stringify(created({ options })),
    });
    expect(said).toMatchObject({ network_interface: "br0", options: { ...options, mode: "unmanaged" } });
    expect(asked).toMatchObject([
      [
        "requireReady",
        { masquerade: false, wish: { name: "br0", mustExist: true, vlans: { untagged: 50 } } },
      ],
    ]);
  });

  test("setup makes a port of it, with the bridge's MTU unless it is told", async () => {
    for (const [more, mtu] of [
      [{}, "inherited"],
      [{ mtu: "1400" }, 1400],
    ] as const) {
      const stdin = JSON.stringify(attaching({ options: { ...options, ...more } }));
      const { said, asked } = await call(["setup", "/run/netns/x"], { kind: "bridge", stdin });
      expect(asked).toMatchObject([["attach", { key, mtu, masquerade: false, netns: "/run/netns/x" }]]);
      expect(said.interfaces.eth0.subnets).toEqual([{ gateway: "10.90.0.1", ipnet: "10.90.0.65/24" }]);
    }
  });

  test("teardown needs nothing but the name", async () => {
    const stdin = JSON.stringify({ ...attaching(), network: 7 });
    const { status, asked } = await call(["teardown", "/run/netns/x"], { kind: "bridge", stdin });
    expect({ status, asked }).toMatchObject({ status: 0, asked: [["detach", { netns: "/run/netns/x" }]] });
  });
});
