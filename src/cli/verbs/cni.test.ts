import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { PLUGIN_KEYS } from "../../cni/keys/tables.ts";
import { SERVED_NAMES } from "../../cni/plugins.ts";
import { type Body, SCHEMAS } from "../../daemon/api.ts";
import { parseArgs } from "../args.ts";
import { newHost } from "../cli.fixture.ts";
import { EXIT } from "../exit.ts";
import { flagsOf } from "../flags.ts";
import { findVerb } from "../verbs.ts";

const host = newHost();
const folder = mkdtempSync(join(tmpdir(), "underlay-cni-verbs-"));
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await host.close();
});

let netD = "";
let binDir = "";
let serial = 0;
beforeEach(() => {
  serial += 1;
  netD = join(folder, `${serial}/net.d`);
  binDir = join(folder, `${serial}/bin`);
  for (const path of [netD, binDir]) mkdirSync(path, { recursive: true });
});

/** A plugin of somebody's that says it speaks these. */
function plugin(name: string, versions: readonly string[]): void {
  const said = JSON.stringify({ cniVersion: "1.0.0", supportedVersions: versions });
  writeFileSync(join(binDir, name), `#!/bin/sh\necho '${said}'\n`);
  chmodSync(join(binDir, name), 0o755);
}

function file(name: string, content: unknown): string {
  const path = join(netD, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

async function check(path: string): Promise<Body<"underlay.cni-check/v1"> & { code: number }> {
  const { code, out, err } = await host.run(`cni check ${path} --bin-dir ${binDir} -o json`);
  expect(err).toBe("");
  return { code, ...v.parse(SCHEMAS["underlay.cni-check/v1"], JSON.parse(out)) };
}

const said = ({ findings }: Body<"underlay.cni-check/v1">) =>
  findings.map(({ id, message }) => `${id} ${message}`);

const ALL = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
const dataDir = () => join(folder, `${serial}/networks`);

test.each([...SERVED_NAMES])("%s can be checked, and has its keys in the reference", async (name) => {
  expect(PLUGIN_KEYS[name]?.title).toBeString();
  plugin(name, ALL);
  const { plugins } = await check(file("10.conf", { cniVersion: "1.0.0", name: "n", type: name, ipam: 5 }));
  const refuses = name !== "loopback";
  expect(plugins).toMatchObject([{ type: name, ours: "could be" }]);
  expect([name, (await check(join(netD, "10.conf"))).code]).toEqual([
    name,
    refuses ? EXIT.findings : EXIT.done,
  ]);
});

describe("cni check", () => {
  test("tells who is asked and what for", async () => {
    plugin("bridge", ALL);
    plugin("host-local", ALL);
    const ipam = {
      type: "host-local",
      dataDir: dataDir(),
      ranges: [[{ subnet: "10.1.2.0/29" }], [{ subnet: "fd00::/64" }]],
    };
    const answer = await check(
      file("10.conflist", {
        cniVersion: "1.0.0",
        cniVersions: ["1.1.0", "2.0.0"],
        name: "n",
        plugins: [{ type: "bridge", ipam }],
      }),
    );
    expect([said(answer), answer.code]).toEqual([[], EXIT.done]);
    expect(answer).toMatchObject({
      name: "n",
      versions: { older: "1.0.0", newest: "1.1.0" },
      plugins: [
        {
          at: "plugins[0]",
          type: "bridge",
          path: join(binDir, "bridge"),
          link: { kind: "veth", mode: "bridge", parent: "cni0" },
        },
        {
          at: "plugins[0].ipam",
          type: "host-local",
          ours: "could be",
          pool: {
            folder: join(dataDir(), "n"),
            ranges: ["10.1.2.1-10.1.2.6", "fd00::1-fd00::ffff:ffff:ffff:ffff"],
            taken: 0,
          },
        },
      ],
    });
  });

  test("tells of plugins that are not there, and of versions that they do not speak", async () => {
    plugin("portmap", ["0.4.0"]);
    plugin("loopback", ALL);
    const answer = await check(
      file("10.conflist", {
        cniVersion: "1.0.0",
        name: "n",
        plugins: [
          { type: "loopback" },
          { type: "portmap" },
          { type: "calico" },
          { type: "static", ipam: {} },
        ],
      }),
    );
    expect(said(answer)).toEqual([
      "UL-C02 no folder has a plugin calico",
      "UL-C02 no folder has a plugin static",
      "UL-C03 plugin portmap does not support version 1.0.0",
    ]);
    expect(answer.findings.map(({ fix }) => fix[0]?.run)).toEqual([
      undefined,
      "underlay cni install --plugins static",
      undefined,
    ]);
    expect(answer.code).toBe(EXIT.findings);
  });

  test("takes whatever strangers write", async () => {
    const nested = `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`;
    const answers = [
      await check(file("10.conf", `{"name":"n","type":"dummy","ipam":${nested}}`)),
      await check(
        file(
          "11.conf",
          `{"name":"n","type":"host-local","ipam":{"dataDir":"\\u0000","subnet":"10.0.0.0/8"}}`,
        ),
      ),
      await check(file("12.conf", '{"name":"n","type":"../../bin/sh"}')),
      await check(file("13.conf", '{"name":"n","type":"__proto__"}')),
      await check(file("14.conf", '{"name":"n","type":"macvlan","master":"a/b\\u0007"}')),
    ];
    expect(answers.map(({ findings }) => findings.map(({ id }) => id).at(-1))).toEqual([
      "UL-C04",
      "UL-C02",
      "UL-C02",
      "UL-C02",
      "UL-C04",
    ]);
    for (const { code, findings } of answers) {
      expect(code).toBe(EXIT.findings);
      expect(findings.length).toBeGreaterThan(0);
    }
  });

  test("tells of a plugin that cannot be started", async () => {
    plugin("portmap", ALL);
    chmodSync(join(binDir, "portmap"), 0o644);
    const answer = await check(file("10.conf", { cniVersion: "1.0.0", name: "n", type: "portmap" }));
    expect(said(answer)).toEqual(["UL-C03 plugin portmap does not support version 1.0.0"]);
    expect(answer.findings[0]?.evidence[0]?.value).toBe("it cannot be started");
  });

  test.each([
    [
      "a wrong type",
      { type: "macvlan", mtu: "1500" },
      "failed to load netconf: mtu must be a whole number, not a string",
    ],
    ["a mode that is none", { type: "macvlan", mode: "brigde" }, 'unknown macvlan mode: "brigde"'],
    [
      "a missing key",
      { type: "vlan" },
      '"master" field is required. It specifies the host interface name to create the VLAN for',
    ],
    [
      "a range that is none",
      { type: "host-local", ipam: { subnet: "10.1.2.3/24" } },
      "invalid range set 0: Network has host bits set. For a subnet mask of length 24 the network address is 10.1.2.0",
    ],
    [
      "an address that is none",
      { type: "static", ipam: { addresses: [{ address: "10.1.2.3" }] } },
      "the 'address' field is expected to be in CIDR notation, got: '10.1.2.3'",
    ],
  ])("says %s in the plugin's words", async (_, conf, message) => {
    plugin(conf.type, ALL);
    const answer = await check(file("10.conf", { cniVersion: "1.0.0", name: "n", ...conf }));
    expect([said(answer), answer.code]).toEqual([[`UL-C04 ${message}`], EXIT.findings]);
  });

  test("tells of keys that nobody reads, in the list's plugins and in their IPAM", async () => {
    for (const name of ["dummy", "host-local"]) plugin(name, ALL);
    const ipam = {
      type: "host-local",
      dataDir: dataDir(),
      subnet: "10.1.2.0/24",
      resolveConf: "/etc/resolv.conf",
    };
    const answer = await check(
      file("10.conf", {
        cniVersion: "1.0.0",
        name: "n",
        type: "dummy",
        DNS: {},
        mtuu: 1,
        colour: "red",
        ipam,
      }),
    );
    expect(said(answer).filter((text) => text.startsWith("UL-C06"))).toEqual([
      "UL-C06 dummy does not read mtuu, did you mean mtu?",
      "UL-C06 dummy does not read colour",
      "UL-C06 host-local does not read ipam.resolveConf, did you mean ipam.resolvConf?",
    ]);
  });

  test("tells of a version that older runtimes refuse, unless it names an older one as well", async () => {
    plugin("loopback", ALL);
    const conf = { name: "n", plugins: [{ type: "loopback" }] };
    const only = await check(file("10.conflist", { ...conf, cniVersion: "1.1.0" }));
    expect([said(only), only.code]).toEqual([
      ["UL-C07 runtimes before 2024 refuse results of version 1.1.0"],
      EXIT.done,
    ]);
    const both = { ...conf, cniVersion: "1.0.0", cniVersions: ["1.0.0", "1.1.0"] };
    expect(said(await check(file("11.conflist", both)))).toEqual([]);
  });

  test("tells of a pool that is used up", async () => {
    plugin("host-local", ALL);
    mkdirSync(join(dataDir(), "n"), { recursive: true });
    for (const name of ["10.1.2.2", "lock", "last_reserved_ip.0"])
      writeFileSync(join(dataDir(), "n", name), "x");
    const ipam = { dataDir: dataDir(), subnet: "10.1.2.0/30" };
    const answer = await check(file("10.conf", { cniVersion: "1.0.0", name: "n", type: "host-local", ipam }));
    expect(said(answer)).toEqual([
      `UL-C05 all 1 addresses of 10.1.2.1-10.1.2.2 are reserved in ${join(dataDir(), "n")}`,
    ]);
  });

  test.each([
    ["no JSON", "{", "error unmarshall network config: "],
    ["no name", { type: "macvlan" }, "missing network name"],
    ["a name that is none", { name: "a/b", type: "macvlan" }, "invalid characters found in network name"],
    ["no type", { name: "n" }, "error parsing configuration: missing 'type' in plugins[0]"],
  ])("says of %s that no runtime reads it", async (_, content, message) => {
    const answer = await check(file("10.conf", content));
    expect(said(answer)[0]).toStartWith(`UL-C01 ${message}`);
    expect(answer.code).toBe(EXIT.findings);
  });

  test("says that a list without plugins is none", async () => {
    expect(said(await check(file("10.conflist", { name: "n", plugins: [] })))).toEqual([
      "UL-C01 error parsing configuration list: no plugins in list",
    ]);
  });

  test("takes the plugins of the folder beside a list", async () => {
    plugin("loopback", ALL);
    plugin("static", ALL);
    mkdirSync(join(netD, "n"));
    writeFileSync(join(netD, "n/20.conf"), JSON.stringify({ type: "static", ipam: {} }));
    const list = { cniVersion: "1.0.0", name: "n", plugins: [{ type: "loopback" }] };
    expect((await check(file("10.conflist", list))).plugins.map(({ type }) => type)).toEqual([
      "loopback",
      "static",
    ]);
    const alone = await check(file("11.conflist", { ...list, loadOnlyInlinedPlugins: "true" }));
    expect(alone.plugins.map(({ type }) => type)).toEqual(["loopback"]);
  });

  test("looks at parents as doctor does", async () => {
    plugin("macvlan", ALL);
    const conf = { cniVersion: "1.0.0", name: "n", type: "macvlan", master: "no-such-link" };
    const answer = await check(file("10.conf", conf));
    expect(said(answer)).toEqual(["UL-P01 no link is called no-such-link"]);
    expect(JSON.stringify(answer.findings)).not.toContain("docker ");
    expect(said(await check(file("11.conf", { ...conf, linkInContainer: true })))).toEqual([]);
  });

  test("--fail-on warn", async () => {
    plugin("loopback", ALL);
    const path = file("10.conf", { cniVersion: "1.0.0", name: "n", type: "loopback", colour: "red" });
    const line = `cni check ${path} --bin-dir ${binDir}`;
    expect((await host.run(line)).code).toBe(EXIT.done);
    const { code, out } = await host.run(`${line} --fail-on warn`);
    expect([code, out]).toEqual([
      EXIT.findings,
      expect.stringContaining("warn  UL-C06  loopback does not read colour\n"),
    ]);
  });

  test("a file that is not there", async () => {
    const { code, err } = await host.run(`cni check ${netD}/none.conflist`);
    expect([code, err]).toEqual([EXIT.notFound, `underlay: ${netD}/none.conflist: there is no such file\n`]);
  });
});

describe("cni migrate", () => {
  async function migrate(): Promise<Body<"underlay.cni-migrate/v1">> {
    const { code, out, err } = await host.run(`cni migrate ${netD} --bin-dir ${binDir} -o json`);
    expect([code, err]).toEqual([EXIT.done, ""]);
    return v.parse(SCHEMAS["underlay.cni-migrate/v1"], JSON.parse(out));
  }

  const hostLocal = () => ({ type: "host-local", dataDir: dataDir(), subnet: "10.1.2.0/24" });

  test("tells who would serve what, and how to get there", async () => {
    for (const name of ["macvlan", "bridge", "portmap", "calico", "host-local"]) plugin(name, ALL);
    const seed = file("20-lannet.conf", { name: "lannet", type: "macvlan", ipam: hostLocal() });
    const podman = file("30.conflist", {
      cniVersion: "0.4.0",
      name: "podman",
      plugins: [{ type: "calico", ipam: hostLocal() }, { type: "portmap" }],
    });
    file("40.conflist", { cniVersion: "1.0.0", name: "calico", plugins: [{ type: "calico" }] });
    file("50.conf", "{");
    file("README", "");
    const { files, commands } = await migrate();
    expect(files.map(({ name, taken_over, ours, others }) => [name, taken_over, ours, others])).toEqual([
      ["lannet", "yes", ["macvlan", "host-local"], []],
      ["podman", "partly", ["host-local"], ["calico", "portmap"]],
      ["calico", "no", [], ["calico"]],
      [null, "unreadable", [], []],
    ]);
    expect(commands).toEqual([
      `underlay cni install --bin-dir ${binDir} --plugins macvlan,host-local`,
      `underlay cni check ${seed} --bin-dir ${binDir}`,
      `underlay cni check ${podman} --bin-dir ${binDir}`,
    ]);
  });

  test("keeps what is installed, and tells which of two files of one name counts", async () => {
    plugin("underlay", ALL);
    for (const name of ["macvlan", "ptp"]) symlinkSync("underlay", join(binDir, name));
    const conf = { name: "n", type: "macvlan", ipam: hostLocal() };
    file("10.conf", conf);
    const list = file("20.conflist", { name: "n", plugins: [conf] });
    mkdirSync(join(netD, "30.conflist"));
    const { files, commands } = await migrate();
    expect(files.map(({ problem }) => problem)).toEqual([
      `runtimes take the network of this name from ${list}`,
      null,
    ]);
    expect(commands[0]).toEndWith("--plugins macvlan,host-local,ptp");
  });

  test("prints commands that are commands of ours", async () => {
    file("20.conf", { name: "n", type: "macvlan", ipam: hostLocal() });
    for (const line of (await migrate()).commands) {
      const words = line.split(" ").slice(1);
      expect(() => findVerb(parseArgs(words).words)).not.toThrow();
      const { verb } = findVerb(parseArgs(words).words);
      expect(flagsOf(verb)).toEqual(expect.arrayContaining([...parseArgs(words).used]));
    }
  });

  test("leaves a name to others when ours refuses one of its configurations", async () => {
    file("20.conf", { name: "a", type: "macvlan", ipam: hostLocal() });
    file("30.conf", { name: "b", type: "macvlan", mode: "source", ipam: hostLocal() });
    const { files, commands } = await migrate();
    expect(files.map(({ ours, others, problem }) => [ours, others, problem])).toEqual([
      [["host-local"], ["macvlan"], null],
      [["host-local"], ["macvlan"], 'unknown macvlan mode: "source"'],
    ]);
    expect(commands[0]).toEndWith("--plugins host-local");
  });

  test("for people", async () => {
    const path = file("20-lannet.conf", { name: "lannet", type: "macvlan", ipam: hostLocal() });
    const { out } = await host.run(`cni migrate ${netD} --bin-dir ${binDir}`);
    expect(out.split("\n")).toEqual([
      `${path}  lannet: all of it is served by Underlay then`,
      "  Underlay  macvlan, host-local",
      "",
      "# What has these names now is kept aside; reservations of host-local are taken over as they are.",
      `# The way back: underlay cni uninstall --bin-dir ${binDir}`,
      `underlay cni install --bin-dir ${binDir} --plugins macvlan,host-local`,
      `underlay cni check ${path} --bin-dir ${binDir}`,
      "",
    ]);
    expect((await host.run(`cni migrate ${netD}/none`)).out).toBe("nothing to take over\n");
  });
});

test("uninstall of the program says which plugins stay", async () => {
  const root = join(folder, `${serial}`);
  const line = `uninstall --root ${root}`;
  const nothing = `nothing is installed in ${root}/usr/local\n`;
  expect((await host.run(line)).out).toBe(nothing);
  mkdirSync(join(root, "opt/cni/bin/.underlay"), { recursive: true });
  writeFileSync(
    join(root, "opt/cni/bin/.underlay/manifest.json"),
    JSON.stringify({
      schema: "underlay.cni-manifest/v1",
      version: "0",
      executables: [],
      plugins: [],
      folders: [],
    }),
  );
  expect((await host.run(line)).out).toBe(
    `${nothing}CNI plugins stay in ${root}/opt/cni/bin; to remove them: /opt/cni/bin/underlay cni uninstall\n`,
  );
});
