import { afterAll, describe, expect, test } from "bun:test";
import * as v from "valibot";
import { CONDITIONS, isOfHost, isOfSwitch } from "../../conditions/registry.ts";
import { SCHEMAS } from "../../daemon/api.ts";
import { newHost } from "../cli.fixture.ts";

const host = newHost();
afterAll(() => host.close());

describe("doctor --explain", () => {
  test("tells of every id, with nothing to ask", async () => {
    for (const { id, title } of CONDITIONS) {
      const { code, out, err } = await host.run(`doctor --explain ${id}`);
      expect([code, err]).toEqual([0, ""]);
      expect(out).toStartWith(`${id}  ${title} (`);
    }
  });

  test("takes an id without its prefix, in any case", async () => {
    const whole = await host.run("doctor --explain UL-P05");
    expect(whole.out).toContain("a network is refused, unless -o allow=UL-P05");
    for (const short of ["p05", "P05", "ul-p05"])
      expect(await host.run(`doctor --explain ${short}`)).toEqual(whole);
  });

  test("as JSON", async () => {
    const { out } = await host.run("doctor --explain P06 -o json");
    expect(v.parse(SCHEMAS["underlay.condition/v1"], JSON.parse(out)).refuses).toBe(true);
  });

  test("wraps what it tells and loses no word", async () => {
    for (const { id, explain } of CONDITIONS) {
      const [, ...lines] = (await host.run(`doctor --explain ${id}`)).out.trimEnd().split("\n");
      expect(lines.filter((line) => line !== "").join(" ")).toBe(explain);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    }
  });

  test("of an id that is none names the nearest", async () => {
    expect(await host.run("doctor --explain P77")).toMatchObject({ code: 2, out: "" });
    expect((await host.run("doctor --explain UL-P0l")).err).toContain("did you mean UL-P0");
  });
});

test("what it is asked is checked", async () => {
  expect((await host.run("doctor --fail-on never")).err).toContain("is none of fail, warn");
  expect(await host.run("doctor eth0 eth1")).toMatchObject({ code: 2, out: "" });
  expect((await host.run("doctor a/b")).code).toBe(2);
});

describe("doctor --active", () => {
  test.each(["doctor eth0 --probe 192.168.9.1", "doctor --active --probe 192.168.9.1"])(
    "%s: --probe goes with LINK and --active",
    async (line) => {
      const { code, out, err } = await host.run(line);
      expect([code, out]).toEqual([2, ""]);
      expect(err).toContain("underlay doctor LINK --active --probe ADDRESS");
    },
  );

  test.each(["eth0", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "ff02::1", "192.168.9.1/24"])(
    "asks nobody at %s",
    async (address) => {
      const { code, err } = await host.run(`doctor lo --active --probe ${address}`);
      expect([code, err]).toEqual([2, `underlay: --probe: "${address}" is no address of a neighbour\n`]);
    },
  );
});

test("networks are those of the records when no daemon runs, and are looked at", async () => {
  const place = newHost();
  await place.writeRecords();
  const env = { UNDERLAY_PLUGIN_DIR: `${place.runDir}/plugins` };
  const { out } = await place.run("doctor -o json", { env });
  await place.close();
  const { networks, findings } = v.parse(SCHEMAS["underlay.doctor/v1"], JSON.parse(out));
  expect(networks).toEqual({ from: "records", total: 2 });
  const told = findings.map(({ id, severity, message }) => `${severity} ${id} ${message}`);
  expect(told).toContain("fail UL-P01 no link is called eth9");
  // Networks were made, so Docker will ask for the driver.
  expect(told.some((line) => line.startsWith("fail UL-R01"))).toBe(true);
});

test("networks are those of the daemon, with its findings, when one runs", async () => {
  const place = newHost();
  place.startDaemon();
  const look = async (link: string) => {
    const { out } = await place.run(`doctor ${link} -o json`);
    return v.parse(SCHEMAS["underlay.doctor/v1"], JSON.parse(out));
  };
  const [all, eth9, other] = [await look(""), await look("eth9"), await look("no-such-link")];
  await place.close();
  expect(all.networks).toEqual({ from: "daemon", total: 2 });
  const told = [all, eth9, other].map(({ findings }) =>
    findings.some(({ message }) => message === "there is no link eth9"),
  );
  expect(told).toEqual([true, true, false]);
});

test("JSON has every check once, and fits its schema", async () => {
  const { out, err } = await host.run("doctor no-such-link -o json");
  expect(err).toBe("");
  const body = v.parse(SCHEMAS["underlay.doctor/v1"], JSON.parse(out));
  const asked = CONDITIONS.filter((one) => isOfHost(one) && !isOfSwitch(one));
  expect(body.checks.map(({ id }) => id)).toEqual(asked.map(({ id }) => id));
  expect(Object.values(body.counts).reduce((sum, count) => sum + count)).toBe(body.checks.length);
  for (const { status, reason } of body.checks) expect(status === "skip").toBe(reason !== null);
  expect(body.findings[0]?.id).toBe("UL-P01");
  expect((await host.run("doctor no-such-link")).code).toBe(8);
});
