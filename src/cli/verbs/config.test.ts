import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newHost } from "../cli.fixture.ts";

const host = newHost();
afterAll(() => host.close());

describe("config validate", () => {
  const folder = mkdtempSync(join(tmpdir(), "underlay-validate-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const validate = (text: string, more = "", options = {}) => {
    writeFileSync(join(folder, "one.toml"), text);
    return host.run(`config validate --config ${folder}/one.toml${more}`, options);
  };

  test("says what is right, with what is odd beside it", async () => {
    expect(await validate('log_level = "warn"\n')).toEqual({
      code: 0,
      out: `${folder}/one.toml is right\n`,
      err: "",
    });
    const env = { env: { UNDERLAY_LOGLEVEL: "x" } };
    const odd = await validate('[ipvlan]\nparent = "eth0"\nmode = "l3"\n', " -o json", env);
    expect(JSON.parse(odd.out)).toEqual({
      schema: "underlay.config-validation/v1",
      files: [`${folder}/one.toml`],
      warnings: [expect.stringContaining("UNDERLAY_LOGLEVEL is not known")],
    });
  });

  test("tells every problem with its line, as the daemon would", async () => {
    const { code, out, err } = await validate('log_levle = "warn"\n\nlog_format = "xml"\n');
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(`${folder}/one.toml:1: unknown key log_levle, did you mean log_level?`);
    expect(err).toContain(`${folder}/one.toml:3: log_format: `);
    const daemon = await host.run(`daemon --config ${folder}/one.toml`);
    expect([daemon.code, daemon.err]).toEqual([code, err]);
  });

  test("a flag that is wrong is wrong, too", async () => {
    expect((await validate("", " --log-format=xml")).code).toBe(2);
  });
});

describe("config show", () => {
  test("is TOML, each value with its origin when asked", async () => {
    const options = { env: { UNDERLAY_LOG_LEVEL: "debug", UNDERLAY_LOGLEVEL: "x" } };
    const { out, err } = await host.run("config show --origin --macvlan-parent=eth1", options);
    expect(out).toContain('log_level = "debug"  # env UNDERLAY_LOG_LEVEL\n');
    expect(out).toContain('macvlan.parent = "eth1"  # flag --macvlan-parent\n');
    expect(out).toContain('reconcile_interval = "60s"  # default\n');
    expect(out).toContain("# macvlan.mode is not set\n");
    expect(err).toBe(
      "underlay: environment variable UNDERLAY_LOGLEVEL is not known, did you mean UNDERLAY_LOG_LEVEL?\n",
    );
    expect(Bun.TOML.parse(out)).toMatchObject({ log_level: "debug", macvlan: { parent: "eth1" } });
    expect((await host.run("config show")).out).not.toContain("default");
  });

  test("as JSON", async () => {
    const { settings } = JSON.parse((await host.run("config show -o json --log-format=text")).out);
    expect(settings).toContainEqual({
      key: "log_format",
      value: "text",
      from: "flag",
      where: "--log-format",
    });
    expect(settings).toContainEqual({ key: "ipvlan.mode", value: null, from: null, where: null });
  });
});
