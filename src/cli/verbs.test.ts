import { afterAll, describe, expect, test } from "bun:test";
import * as v from "valibot";
import { host as hostFacts, kind, missingKind } from "../conditions/host.fixture.ts";
import { hostFindings } from "../conditions/judge.ts";
import { EP_1, fakeEngine, NET_A, NET_B } from "../daemon/admin.fixture.ts";
import { findingBody, SCHEMAS } from "../daemon/api.ts";
import { newHost } from "./cli.fixture.ts";

const host = newHost();
const engine = fakeEngine();
host.startDaemon(engine);
const quiet = newHost();
quiet.startDaemon(fakeEngine({ empty: true }));
afterAll(async () => {
  await host.close();
  await quiet.close();
});

/** Ages move on; everything else is the fixture's. */
async function out(line: string): Promise<string> {
  const { code, out, err } = await host.run(line);
  expect([code, err]).toEqual([0, ""]);
  return out.replace(/\b\d+d(\d+h)?\b/g, "AGE");
}

const lines = (...text: string[]) => text.map((line) => `${line}\n`).join("");

describe("network ls", () => {
  const rows = [
    "NETWORK       KIND     PARENT  MODE    SUBNETS                   ENDPOINTS  STATE     AGE",
    "1758a0b1c2d3  macvlan  eth0    bridge  192.168.7.0/24,fd07::/64  2          active    AGE",
    "1758ffffc2d3  macvlan  eth9    vepa    -                         1          degraded  AGE",
  ];
  test("as a table", async () => {
    expect(await out("network ls")).toBe(lines(...rows));
    expect(await out("network list")).toBe(lines(...rows));
    expect(await out("network ls --noheading")).toStartWith("1758a0b1c2d3  macvlan  eth0  bridge  192.168");
  });

  test("wide", async () => {
    const [head = "", first = "", second = ""] = (await out("network ls -o wide")).split("\n");
    for (const column of ["GATEWAYS", "MTU", "INTERNAL", "OWNER"]) expect(head).toContain(column);
    expect(first).toContain("192.168.7.1");
    expect(second).toMatch(/ 1400 +yes .*docker:1758ffff/);
  });

  test("whole ids, ids only, names only", async () => {
    expect(await out("network ls --no-trunc --noheading")).toStartWith(`${NET_A}  macvlan`);
    expect(await out("network ls -q")).toBe(lines("1758a0b1c2d3", "1758ffffc2d3"));
    expect(await out("network ls -q --no-trunc")).toBe(lines(NET_A, NET_B));
    expect(await out("network ls -o name")).toBe(lines(NET_A, NET_B));
  });

  test("as JSON of its schema, and as JSON lines", async () => {
    const body: unknown = JSON.parse(await out("network ls -o json"));
    const { networks } = v.parse(SCHEMAS["underlay.networks/v1"], body);
    const each = (await out("network ls -o jsonl")).trimEnd().split("\n");
    expect(each.map((line): unknown => JSON.parse(line))).toEqual(networks);
  });

  test.each([
    ["parent=eth0", [NET_A]],
    ["parent=eth0 -f parent=eth9", [NET_A, NET_B]],
    ["parent=eth0 -f mode=vepa", []],
    ["state=degraded", [NET_B]],
    ["id=1758a", [NET_A]],
    ["subnet=fd07::/64 -f kind=macvlan", [NET_A]],
  ])("-f %s", async (filter, ids) => {
    expect(await out(`network ls -o name -f ${filter}`)).toBe(lines(...ids));
  });

  test("an empty list", async () => {
    expect((await quiet.run("network ls -o json")).out).toBe(
      `${JSON.stringify({ schema: "underlay.networks/v1", networks: [] }, undefined, 2)}\n`,
    );
    expect((await quiet.run("network ls")).out).toStartWith("NETWORK");
    expect((await quiet.run("network ls -q")).out).toBe("");
  });
});

describe("network inspect", () => {
  test("by a prefix of the id, with its endpoints", async () => {
    expect(await out("network inspect 1758a")).toBe(
      lines(
        `network   ${NET_A}`,
        `owner     docker:${NET_A}`,
        "kind      macvlan",
        "parent    eth0",
        "mode      bridge",
        "mtu       as the parent",
        "internal  no",
        "ipv6      yes",
        "subnet    192.168.7.0/24, gateway 192.168.7.1, nas=192.168.7.5",
        "subnet    fd07::/64, no gateway",
        "option    parent=eth0",
        "state     active",
        "created   2026-01-02T03:00:00.000Z (AGE ago)",
        "endpoint  e1aa0000c2d3  192.168.7.9/24  02:11:22:33:44:55  provisioned",
        "endpoint  e2bb0000c2d3  192.168.7.10/24  02:11:22:33:44:55  declared",
      ),
    );
  });

  test("with what is wrong and what to do", async () => {
    expect(await out("network inspect 1758f")).toEndWith(
      lines(
        "",
        "fail  UL-P08  there is no link eth9",
        "      plug it in",
        "      or look which links there are: ip link",
      ),
    );
  });

  test("as JSON", async () => {
    const body: unknown = JSON.parse(await out(`network inspect ${NET_A} -o json`));
    expect(v.parse(SCHEMAS["underlay.network/v1"], body).endpoints.length).toBe(2);
  });
});

describe("endpoint", () => {
  test("ls", async () => {
    expect(await out("endpoint ls -f network=1758a")).toBe(
      lines(
        "ENDPOINT      NETWORK       ADDRESSES        MAC                STATE        AGE",
        "e1aa0000c2d3  1758a0b1c2d3  192.168.7.9/24   02:11:22:33:44:55  provisioned  AGE",
        "e2bb0000c2d3  1758a0b1c2d3  192.168.7.10/24  02:11:22:33:44:55  declared     AGE",
      ),
    );
  });

  test.each([
    ["address=192.168.7.9", [EP_1]],
    ["state=declared", [EP_1.replace("e1aa", "e2bb")]],
    ["link=ul-e1aaaaaabbbb -f mac=02:11:22:33:44:55", [EP_1]],
  ])("ls -f %s", async (filter, ids) => {
    expect(await out(`endpoint ls -o name -f ${filter}`)).toBe(lines(...ids));
  });

  test.each([
    ["", ["e1aa", "e2bb"]],
    [" --sort address", ["e1aa", "e2bb"]],
    [" --sort -address", ["e2bb", "e1aa"]],
    [" --sort=state", ["e2bb", "e1aa"]],
    [" --sort=-mac", ["e1aa", "e2bb"]],
  ])("ls%s", async (sort, begins) => {
    const ids = (await out(`endpoint ls -q -f network=1758a${sort}`)).trim().split("\n");
    expect(ids.map((id) => id.slice(0, 4))).toEqual([...begins]);
  });

  test("inspect", async () => {
    const text = await out("endpoint inspect e1");
    expect(text).toContain(`endpoint  ${EP_1}\n`);
    expect(text).toContain("link      ul-e1aaaaaabbbb\n");
    const body: unknown = JSON.parse(await out("endpoint inspect e1 -o json"));
    expect(v.parse(SCHEMAS["underlay.endpoint/v1"], body).endpoint.id).toBe(EP_1);
  });
});

describe("status", () => {
  test("on one screen", async () => {
    expect(await out("status")).toBe(
      lines(
        "daemon     running, version 0.1.0, pid 4711, up AGE",
        "drivers    underlay-macvlan",
        "networks   2, 1 degraded",
        "endpoints  3, 2 with a link",
        "parent     eth0: networks 1, endpoints 2",
        "parent     eth9: networks 1, endpoints 1",
        "host       nothing wrong",
        "problems   1",
        "fail  UL-P08  there is no link eth9",
        "      plug it in",
        "      or look which links there are: ip link",
      ),
    );
  });

  test("with nothing to tell", async () => {
    expect((await quiet.run("status")).out).toEndWith(
      "networks   0\nendpoints  0, 0 with a link\nhost       nothing wrong\nproblems   none\n",
    );
  });

  test("with what is wrong with the host, but for remarks", async () => {
    const { findings } = hostFindings(
      hostFacts({
        machine: { dmi: { sys_vendor: "QEMU" }, release: "6.1.0" },
        kinds: [kind(), missingKind("dummy", "dummy")],
        boot: { known: {} },
      }),
    );
    const other = newHost();
    other.startDaemon(fakeEngine(), findings);
    const [text, json] = [await other.run("status"), await other.run("status -o json")];
    await other.close();
    expect(text.out).toContain(
      lines(
        "host       0 fail, 2 warn: underlay doctor tells",
        "           UL-H04 a KVM host may filter MAC addresses: macvtap NICs and Proxmox's firewall do",
        "           UL-R03 after the next boot dockerd starts without the driver: no unit starts it",
        "problems   1",
      ),
    );
    const body = v.parse(SCHEMAS["underlay.status/v1"], JSON.parse(json.out));
    expect(body.host).toEqual({ fail: 0, warn: 2, findings: findings.map(findingBody) });
  });

  test("as JSON", async () => {
    v.parse(SCHEMAS["underlay.status/v1"], JSON.parse(await out("status -o json")));
    expect((await out("status -o jsonl")).split("\n").length).toBe(2);
  });

  test("as YAML, which says the same", async () => {
    for (const line of ["status", "network ls", "network inspect 1758a", "endpoint ls", "version"])
      expect(Bun.YAML.parse((await host.run(`${line} -o yaml`)).out)).toEqual(
        JSON.parse((await host.run(`${line} -o json`)).out),
      );
  });
});

test("gc, and gc --dry-run", async () => {
  expect(await out("gc --dry-run")).toBe(
    lines("WOULD        SUBJECT          WHY", "delete-link  ul-abcdefghijkl  no record knows it"),
  );
  expect(await out("gc")).toStartWith("DONE ");
  v.parse(SCHEMAS["underlay.gc/v1"], JSON.parse(await out("gc -o json")));
  expect(engine.reconciled).toEqual([true, false, false]);
});

test("gc that could not do all of it says so, and fails", async () => {
  const half = newHost();
  const done = { what: "drop-endpoint", subject: "docker:a/b", why: "its network is gone" } as const;
  const actions = [done, { ...done, subject: "docker:a/c", failure: "no space is left" }];
  half.startDaemon({ ...fakeEngine(), reconcile: async ({ dryRun }) => ({ dryRun, actions }) });
  const { code, out } = await half.run("gc");
  await half.close();
  expect([code, out]).toEqual([
    1,
    lines(
      "DONE                  SUBJECT     WHY",
      "drop-endpoint         docker:a/b  its network is gone",
      "drop-endpoint FAILED  docker:a/c  no space is left",
    ),
  ]);
});

describe("colour", () => {
  const coloured = async (flags: string, env: Record<string, string>, tty: boolean) =>
    (await host.run(`network ls ${flags}`, { env, tty })).out.includes("\u001b[");
  test.each([
    ["", {}, true, true],
    ["", {}, false, false],
    ["", { NO_COLOR: "1" }, true, false],
    ["", { NO_COLOR: "" }, true, true],
    ["", { TERM: "dumb" }, true, false],
    ["", { FORCE_COLOR: "1" }, false, true],
    ["--color=always", { NO_COLOR: "1" }, false, true],
    ["--color=never", { FORCE_COLOR: "1" }, true, false],
    ["-o json", { FORCE_COLOR: "1" }, true, false],
    ["-q", { FORCE_COLOR: "1" }, true, false],
  ] as const)("%s %j on a terminal: %p → %p", async (flags, env, tty, wanted) => {
    expect(await coloured(flags, env, tty)).toBe(wanted);
  });
});
