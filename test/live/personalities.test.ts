import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PLUGIN_NAMES } from "../../src/cni/plugins.ts";
import { until } from "../ground/until.ts";

/**
 * Every program that the executable can be, started where somebody left files that Bun would obey. A compiled Bun
 * does so unless it is told not to, and we run as root.
 */

const executable = join(import.meta.dir, "../../dist/underlay");
const bun = process.execPath;

let folder = "";
/** Written by the preload script, when it is obeyed. */
const traceOf = (cwd: string) => join(cwd, "obeyed");
const HOSTILE_STATE = "/nonexistent/hostile";

beforeAll(() => {
  if (!existsSync(executable)) throw new Error("dist/underlay is not there: make build");
  folder = mkdtempSync(join(tmpdir(), "personalities-"));
  const env = `UNDERLAY_STATE_DIR=${HOSTILE_STATE}\nUNDERLAY_LOG_LEVEL=nonsense\nCNI_COMMAND=ADD\nBUN_JSC_useJIT=0\n`;
  for (const name of [".env", ".env.local", ".env.production", ".env.development"])
    writeFileSync(join(folder, name), env);
  writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./evil.ts"]\n[run]\npreload = ["./evil.ts"]\n');
  writeFileSync(
    join(folder, "evil.ts"),
    `require("node:fs").writeFileSync(${JSON.stringify(traceOf(folder))}, "x");\n`,
  );
  mkdirSync(join(folder, "bin"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const BARE = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/nonexistent" };

/** Runs the executable in the hostile folder under another name. */
function runAs(name: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Ran {
  return run([calledAs(name), ...args], env);
}

function calledAs(name: string): string {
  const link = join(folder, "bin", name);
  if (!existsSync(link)) symlinkSync(executable, link);
  return link;
}

function run(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Ran {
  const child = Bun.spawnSync([...argv], { cwd: folder, env: { ...BARE, ...env }, timeout: 20_000 });
  return { code: child.exitCode, stdout: child.stdout.toString(), stderr: child.stderr.toString() };
}

const NETAVARK = ["underlay-macvlan", "underlay-ipvlan", "underlay-bridge"];

describe("in a folder with .env and bunfig.toml of somebody else", () => {
  test("the trap works: a Bun compiled without our flags obeys both", () => {
    const program = join(folder, "control.ts");
    writeFileSync(program, "process.stdout.write(String(process.env.UNDERLAY_STATE_DIR));\n");
    const control = join(folder, "control");
    const built = run([bun, "build", "--compile", program, "--outfile", control], { HOME: folder });
    expect(built.code).toBe(0);
    expect(run([control]).stdout).toBe(HOSTILE_STATE);
    expect(existsSync(traceOf(folder))).toBe(true);
    rmSync(traceOf(folder));
  });

  for (const name of PLUGIN_NAMES) {
    test(`as ${name}: a CNI plugin, and CNI_COMMAND of .env is not the runtime's`, () => {
      const { code, stdout, stderr } = runAs(name);
      expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
      expect(stderr).toStartWith(`CNI ${name} plugin v`);
      expect(JSON.parse(runAs(name, [], { CNI_COMMAND: "VERSION" }).stdout)).toHaveProperty(
        "supportedVersions",
      );
      expect(existsSync(traceOf(folder))).toBe(false);
    });
  }

  for (const name of NETAVARK) {
    test(`as ${name}: a netavark plugin, whatever CNI_COMMAND says`, () => {
      const { code, stdout, stderr } = runAs(name, ["info"], { CNI_COMMAND: "ADD" });
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(JSON.parse(stdout)).toEqual({ version: expect.any(String), api_version: "1.0.0" });
      expect(existsSync(traceOf(folder))).toBe(false);
    });
  }

  test("as underlay with CNI_COMMAND of the runtime: CNI; with that of .env, or arguments: the command line", () => {
    expect(runAs("underlay", [], { CNI_COMMAND: "ADD" })).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("required env variables"),
    });
    for (const [args, env] of [
      [["--help"], { CNI_COMMAND: "ADD" }],
      [[], { CNI_COMMAND: "" }],
    ] as const)
      expect(runAs("underlay", args, env).stdout).toStartWith("Usage: underlay");
    expect(runAs("underlay").stdout).toStartWith("Usage: underlay");
    expect(existsSync(traceOf(folder))).toBe(false);
  });

  test("as underlay: the settings are not those of .env", () => {
    expect(runAs("underlay", ["version"])).toMatchObject({ code: 0, stderr: "" });
    const shown = runAs("underlay", ["config", "show", "-o", "json"]);
    expect(shown).toMatchObject({ code: 0, stderr: "" });
    expect(shown.stdout).toContain("/var/lib/underlay");
    expect(shown.stdout).not.toContain(HOSTILE_STATE);
    const told = runAs("underlay", ["config", "show", "-o", "json"], { UNDERLAY_STATE_DIR: HOSTILE_STATE });
    expect(told.stdout).toContain(HOSTILE_STATE);
    expect(existsSync(traceOf(folder))).toBe(false);
  });

  test("under any other name: the command line", () => {
    expect(runAs("underlay-1.2", ["version"])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^underlay \d/),
    });
  });

  for (const [name, args] of [
    ["underlay", ["daemon"]],
    ["macvlan-docker-plugin", ["-d"]],
    ["ipvlan-docker-plugin", ["-d", "-mode", "l3"]],
  ] as const) {
    test(`as the daemon, called as ${name}: serves from its own folders and ends on SIGTERM`, async () => {
      const base = mkdtempSync(join(tmpdir(), "daemon-"));
      const settings = { state: join(base, "state"), run: join(base, "run"), plugins: join(base, "plugins") };
      const child = Bun.spawn(["unshare", "--net", calledAs(name), ...args], {
        cwd: folder,
        env: {
          ...BARE,
          UNDERLAY_STATE_DIR: settings.state,
          UNDERLAY_RUN_DIR: settings.run,
          UNDERLAY_PLUGIN_DIR: settings.plugins,
        },
        stdout: "pipe",
        stderr: "pipe",
      });
      try {
        await until(
          "the plugin socket is there",
          () => existsSync(join(settings.plugins, "underlay-macvlan.sock")),
          {
            hopeless: () => (child.exitCode === null ? undefined : `it ended with ${child.exitCode}`),
          },
        );
        child.kill("SIGTERM");
        expect(await child.exited).toBe(0);
        expect(existsSync(join(settings.state, "underlay.db"))).toBe(true);
        expect(existsSync(join(settings.plugins, "underlay-macvlan.sock"))).toBe(false);
      } catch (thrown) {
        child.kill("SIGKILL");
        throw new Error(await new Response(child.stderr).text(), { cause: thrown });
      } finally {
        rmSync(base, { recursive: true, force: true });
      }
      expect(existsSync(traceOf(folder))).toBe(false);
    });
  }
});

/** prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN): what MemoryDenyWriteExecute=yes does on kernels from 6.3 on. */
const MDWE =
  "import ctypes,os,sys\nif ctypes.CDLL(None).prctl(65,1,0,0,0)!=0: sys.exit(99)\nos.execv(sys.argv[1],sys.argv[1:])";

describe("where a policy forbids the JIT", () => {
  const cause = /needs a JIT compiler.*MemoryDenyWriteExecute=.*LimitAS=.*BUN_JSC_useJIT/;
  for (const name of ["underlay", "macvlan-docker-plugin", ...PLUGIN_NAMES.slice(0, 2), NETAVARK[0] ?? ""]) {
    test(`${name} exits and names the cause: BUN_JSC_useJIT=0`, () => {
      const { code, stdout, stderr } = runAs(name, ["version"], { BUN_JSC_useJIT: "0" });
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toMatch(cause);
    });
  }

  test("LimitAS", () => {
    const { code, stderr } = run(["prlimit", `--as=${1 << 30}`, calledAs("underlay"), "version"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(cause);
  });

  test("MemoryDenyWriteExecute", () => {
    const { code, stderr } = run(["python3", "-c", MDWE, calledAs("underlay"), "version"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(cause);
  });
});
