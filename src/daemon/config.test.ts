import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UnderlayError } from "../lib/errors.ts";
import { type ConfigSources, loadConfig } from "./config.ts";
import { envOf, flagOf, SETTING_KEYS, SETTINGS } from "./settings.ts";

const root = mkdtempSync(join(tmpdir(), "underlay-config-"));
afterAll(() => rmSync(root, { recursive: true }));

/** A configuration directory with these files: `underlay.toml`, `conf.d/10-lan.toml`. */
function dirWith(files: Readonly<Record<string, string>>): string {
  const dir = mkdtempSync(join(root, "etc-"));
  mkdirSync(join(dir, "conf.d"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  return dir;
}

const load = (sources: Partial<ConfigSources> = {}) =>
  loadConfig({ flags: new Map(), env: {}, dir: join(root, "none"), ...sources });

async function refusal(sources: Partial<ConfigSources>): Promise<UnderlayError> {
  const thrown = await load(sources).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(thrown instanceof UnderlayError)) throw new Error(`no refusal: ${String(thrown)}`);
  return thrown;
}

describe("the table", () => {
  test("every default reads, and names are made by one rule", () => {
    for (const key of SETTING_KEYS) {
      const { fallback, read } = SETTINGS[key];
      if (fallback !== undefined) expect(read(fallback)).toHaveProperty("value");
    }
    expect([flagOf("macvlan.parent"), envOf("macvlan.parent")]).toEqual([
      "--macvlan-parent",
      "UNDERLAY_MACVLAN_PARENT",
    ]);
    expect(new Set(SETTING_KEYS.map(envOf)).size).toBe(SETTING_KEYS.length);
    expect(new Set(SETTING_KEYS.map(flagOf)).size).toBe(SETTING_KEYS.length);
  });
});

describe("what is said where", () => {
  test("nothing said: the defaults, durations in milliseconds, no parent", async () => {
    const { values, settings, warnings } = await load();
    expect(values.state_dir).toBe("/var/lib/underlay");
    expect(values.reconcile_interval).toBe(60_000);
    expect(values["macvlan.parent"]).toBeUndefined();
    expect(settings.get("log_level")).toEqual({
      text: "info",
      origin: { from: "default", where: "default" },
    });
    expect(settings.has("macvlan.parent")).toBe(false);
    expect(warnings).toEqual([]);
  });

  test("each kind of network has its defaults", async () => {
    const env = { UNDERLAY_IPVLAN_PARENT: "eth0", UNDERLAY_IPVLAN_MODE: "l3s" };
    const { values, warnings } = await load({ env });
    expect([values["ipvlan.parent"], values["ipvlan.mode"], warnings]).toEqual(["eth0", "l3s", []]);
    expect(load({ env: { UNDERLAY_IPVLAN_MODE: "bridge" } })).rejects.toThrow("is none of l2, l3, l3s");
  });

  test("flags win over environment, that over conf.d in order, that over underlay.toml", async () => {
    const dir = dirWith({
      "underlay.toml":
        'state_dir = "/1"\nrun_dir = "/1"\nplugin_dir = "/1"\nlog_level = "warn"\n[macvlan]\nparent = "eth1"\n',
      "conf.d/20-b.toml": 'run_dir = "/b"\n',
      "conf.d/10-a.toml": '# first\nrun_dir = "/a"\nplugin_dir = "/a"\nlog_level = "error"\n',
      "conf.d/ignored.txt": "not read",
    });
    const { values, settings } = await load({
      dir,
      env: { UNDERLAY_LOG_LEVEL: "debug", UNDERLAY_MACVLAN_PARENT: "" },
      flags: new Map([["state_dir", "/flag"]]),
    });
    expect(values).toMatchObject({ state_dir: "/flag", run_dir: "/b", plugin_dir: "/a", log_level: "debug" });
    expect(values["macvlan.parent"]).toBe("eth1");
    expect(Object.fromEntries([...settings].map(([key, { origin }]) => [key, origin.where]))).toEqual({
      state_dir: "--state-dir",
      run_dir: `${dir}/conf.d/20-b.toml:1`,
      plugin_dir: `${dir}/conf.d/10-a.toml:3`,
      log_level: "UNDERLAY_LOG_LEVEL",
      docker_socket: "default",
      log_format: "default",
      reconcile_interval: "default",
      stale_after: "default",
      "macvlan.parent": `${dir}/underlay.toml:6`,
      ovsdb: "default",
      "ovs.subnet": "default",
    });
  });

  test("--config or UNDERLAY_CONFIG names the only file", async () => {
    const dir = dirWith({
      "underlay.toml": 'run_dir = "/1"\n',
      "other.toml": 'macvlan = { mode = "vepa" }\n',
    });
    const file = join(dir, "other.toml");
    for (const chosen of [{ file }, { env: { UNDERLAY_CONFIG: file } }]) {
      const { values } = await load({ dir, ...chosen });
      expect([values.run_dir, values["macvlan.mode"]]).toEqual(["/run/underlay", "vepa"]);
    }
  });

  test("an unknown variable of ours is warned about with the nearest name", async () => {
    const env = { UNDERLAY_LOGLEVEL: "debug", UNDERLAY_DEBUG: "netlink", LOGLEVEL: "x" };
    expect((await load({ env })).warnings).toEqual([
      "environment variable UNDERLAY_LOGLEVEL is not known, did you mean UNDERLAY_LOG_LEVEL?",
    ]);
  });
});

describe("what is refused", () => {
  const fileCases: readonly (readonly [string, string])[] = [
    ['log_levle = "info"', "1: unknown key log_levle, did you mean log_level?"],
    ['\n\nstate-dir = "/x"', "3: unknown key state-dir, did you mean state_dir?"],
    ['[macvlan]\nparnet = "eth0"', "2: unknown key macvlan.parnet, did you mean macvlan.parent?"],
    ['[macvaln]\nparent = "eth0"', "2: unknown key macvaln.parent, did you mean macvlan.parent?"],
    ['[[macvlan]]\nparent = "eth0"', "2: unknown key macvlan.0.parent, did you mean macvlan.parent?"],
    ['constructor = "x"', "1: unknown key constructor"],
    ["__proto__ = 'x'", "1: unknown key __proto__"],
    ['state_dir = ["/x"]', "1: state_dir must be a string"],
    ["stale_after = 2026-01-01", "1: stale_after must be a string"],
    ["reconcile_interval = 60", '1: reconcile_interval: "60" is no duration; write it like 60s, 2m or 500ms'],
    ["reconcile_interval = '0s'", '1: reconcile_interval: "0s" is no duration from 100ms to 576h'],
    ["stale_after = '600h'", '1: stale_after: "600h" is no duration from 100ms to 576h'],
    ["state_dir = 'var'", '1: state_dir: "var" is no absolute path'],
    ["log_level = 'verbose'", '1: log_level: "verbose" is none of debug, info, warn, error'],
    [
      "macvlan.parent = 'eth0/1'",
      '1: macvlan.parent: link name "eth0/1" has a slash, colon, NUL or white space in it',
    ],
    [
      "macvlan.mode = 'bridged'",
      '1: macvlan.mode: "bridged" is none of bridge, private, vepa, passthru, did you mean bridge?',
    ],
    [`run_dir = '/${"x".repeat(100)}'`, "bytes, too long for a socket's path"],
    ["a = 1\na = 2", "2: is no TOML: Defining a key multiple times is invalid"],
    ["a =", "1: is no TOML: "],
  ];
  test.each(fileCases)("%j", async (text, message) => {
    const dir = dirWith({ "underlay.toml": text });
    const error = await refusal({ dir });
    expect(error.code).toBe("invalid_option");
    expect(error.message).toStartWith(`${dir}/underlay.toml:`);
    expect(error.message).toContain(message);
  });

  test("a bad flag and a bad variable, by the names the user typed, all at once with the file's", async () => {
    const dir = dirWith({ "conf.d/1.toml": "stale_after = '5'\nx = 1" });
    const { problems } = await refusal({
      dir,
      env: { UNDERLAY_LOG_FORMAT: "xml" },
      flags: new Map([["log_level", "loud"]]),
    });
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringContaining("conf.d/1.toml:1: stale_after: "),
      expect.stringContaining("conf.d/1.toml:2: unknown key x"),
      'UNDERLAY_LOG_FORMAT: "xml" is none of auto, json, text',
      '--log-level: "loud" is none of debug, info, warn, error',
    ]);
  });

  test("a chosen file that is missing, and one that is a directory", async () => {
    const missing = await refusal({ file: join(root, "nope.toml") });
    expect([missing.code, missing.message]).toEqual([
      "not_found",
      `configuration file ${join(root, "nope.toml")} does not exist`,
    ]);
    expect((await refusal({ file: root })).message).toContain("cannot be read");
  });
});
