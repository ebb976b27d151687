import { describe, expect, test } from "bun:test";
import { CASES } from "./cases.fixture.ts";
import type { Finding } from "./condition.ts";
import { CONF_CASES, conf } from "./confs.fixture.ts";
import { host } from "./host.fixture.ts";
import { HOST_CASES } from "./host-cases.fixture.ts";
import { confFindings, findings, hostFindings } from "./judge.ts";
import { judged } from "./judged.fixture.ts";
import { CONDITIONS } from "./registry.ts";

/** Commands that exist today: a finding must not send anybody to others. */
const COMMANDS = [
  /^docker network create -d underlay-(macvlan|ipvlan) .*NAME$/,
  /^(nsenter --net=\S+ )?ip link (show|set dev|add link|delete dev|property add dev)\b/,
  /^ip route show$/,
  /^sysctl -w (net\.bridge\.[\w-]+=0 ?)+$/,
  /^iptables -I DOCKER-USER /,
  /^sysctl -w (net\.ipv[46]\.neigh\.default\.gc_thresh\d=\d+ ?)+$/,
  /^modprobe \w+$/,
  /^(apt|dnf|opkg) install [\w.-]+$/,
  /^journalctl -k -g "/,
  /^systemctl (enable --now|start) underlay\.service$/,
  /^journalctl -u underlay\.service -n 50$/,
  /^docker plugin enable \S+$/,
  /^systemctl (start|restart) (ovsdb-server|ovs-vswitchd)\.service$/,
  /^ovs-vsctl (set-fail-mode \S+ standalone|set-manager( p?tcp:\S+)+|set-controller \S+( p?tcp:\S+)+)$/,
  /^docker ps --all$/,
  /^ovs-vsctl add-port \S+ NIC$/,
  /^ss --udp --listening --numeric --processes$/,
  /^(iptables|ip6tables|iptables-legacy) (-S FORWARD|-I FORWARD -[io] \S+ -j ACCEPT)$/,
  /^nft insert rule inet \w+ \w+ [io]ifname '"\S+"' accept$/,
  /^ufw route allow (in|out) on \S+$/,
  /^firewall-cmd (--permanent --zone=trusted --add-interface=\S+|--reload)$/,
  /^underlay doctor( \S+)? --active( --probe ADDRESS)?$/,
  /^underlay cni install --plugins \S+$/,
  /^underlay (status|network (ls|inspect)|endpoint (ls|inspect)|gc|config show|version|daemon|install)$/,
];

const held = Object.entries(CASES).flatMap(([id, cases]) => cases.holds.map((row) => ({ id, ...row })));
const missed = Object.entries(CASES).flatMap(([id, cases]) => cases.not.map((request) => ({ id, request })));

function expectSaid(one: Finding, message: string): void {
  expect(one.message).toBe(message);
  expect(one.message.length).toBeLessThanOrEqual(100);
  expect(one.evidence.length).toBeGreaterThan(0);
  expect(one.fix.length).toBeGreaterThan(0);
  for (const { run } of one.fix) {
    if (run !== undefined && !COMMANDS.some((command) => command.test(run)))
      throw new Error(`no command: ${run}`);
  }
}

function finding(id: string, message: string, all: readonly Finding[]): Finding {
  const one = all.find((candidate) => candidate.id === id);
  if (one === undefined) throw new Error(`${id} (${message}) does not hold, only ${all.map((f) => f.id)}`);
  return one;
}

describe("the catalogue", () => {
  test("ids are unique and of one shape", () => {
    const ids = CONDITIONS.map((condition) => condition.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^UL-[A-Z]\d\d$/);
  });

  test("each has a title, an explanation and cases", () => {
    for (const condition of CONDITIONS) {
      expect(condition.title).not.toBe("");
      expect(condition.explain.length).toBeGreaterThan(80);
      const cases = [
        ...(condition.judge === undefined ? [] : [CASES[condition.id]]),
        ...(condition.judgeHost === undefined ? [] : [HOST_CASES[condition.id]]),
        ...(condition.judgeConf === undefined ? [] : [CONF_CASES[condition.id]]),
      ];
      expect(cases.length).toBeGreaterThan(0);
      for (const some of cases) {
        expect(some?.holds.length ?? 0).toBeGreaterThan(0);
        expect(some?.not.length ?? 0).toBeGreaterThan(0);
      }
    }
  });

  test("what refuses is exactly what the design says", () => {
    const refusing = CONDITIONS.filter((condition) => condition.refuses).map((condition) => condition.id);
    expect(refusing.sort()).toEqual(
      ["P01", "P04", "P05", "P06", "P07", "P08", "P09", "P12", "K01", "K10"].map((id) => `UL-${id}`).sort(),
    );
    for (const condition of CONDITIONS) if (condition.refuses) expect(condition.severity).toBe("fail");
  });

  test("a condition is hidden only by others that exist", () => {
    const ids = new Set(CONDITIONS.map((condition) => condition.id));
    for (const condition of CONDITIONS) {
      for (const id of condition.hiddenBy ?? []) expect(ids.has(id) && id !== condition.id).toBe(true);
    }
  });
});

test("a healthy network has no findings", () => {
  expect(findings(judged())).toEqual([]);
});

describe("holds, is said in 100 characters, with evidence and a way out", () => {
  test.each(held)("$id $message", ({ id, judged: request, message }) => {
    const all = findings(request);
    expectSaid(finding(id, message, all), message);
    expect(all[0]?.id).toBe(id);
    expect(all.filter((other) => other.severity === "fail").length).toBeLessThanOrEqual(1);
  });
});

describe("a host", () => {
  const heldHosts = Object.entries(HOST_CASES).flatMap(([id, { holds }]) =>
    holds.map((row) => ({ id, ...row })),
  );
  const missedHosts = Object.entries(HOST_CASES).flatMap(([id, { not }]) =>
    not.map((facts) => ({ id, facts })),
  );
  const silentHosts = Object.entries(HOST_CASES).flatMap(([id, { skipped = [] }]) =>
    skipped.map((facts) => ({ id, facts })),
  );

  test("that is healthy has no findings, and nothing is skipped", () => {
    const { findings: found, skipped } = hostFindings(host());
    expect([found, [...skipped]]).toEqual([[], []]);
  });

  test.each(heldHosts)("$id $message", ({ id, host: facts, message }) => {
    const { findings: found } = hostFindings(facts);
    expect(found.map((one) => one.id)).toEqual([id]);
    expectSaid(finding(id, message, found), message);
  });

  test.each(missedHosts)("$id does not hold", ({ id, facts }) => {
    const { findings: found, skipped } = hostFindings(facts);
    expect([found.map((one) => one.id).includes(id), skipped.has(id)]).toEqual([false, false]);
  });

  test.each(silentHosts)("$id is skipped, with a reason", ({ id, facts }) => {
    expect(hostFindings(facts).skipped.get(id)?.length).toBeGreaterThan(5);
  });
});

describe("a configuration", () => {
  const heldConfs = Object.entries(CONF_CASES).flatMap(([id, { holds }]) =>
    holds.map((row) => ({ id, ...row })),
  );
  const missedConfs = Object.entries(CONF_CASES).flatMap(([id, { not }]) =>
    not.map((facts) => ({ id, facts })),
  );

  test("that is right has no findings", () => expect(confFindings(conf())).toEqual([]));

  test.each(heldConfs)("$id $message", ({ id, conf: facts, message }) => {
    const found = confFindings(facts);
    expect(found.map((one) => one.id)).toEqual([id]);
    expectSaid(finding(id, message, found), message);
  });

  test.each(missedConfs)("$id does not hold", ({ id, facts }) => {
    expect(confFindings(facts).map((one) => one.id)).not.toContain(id);
  });
});

test("guesses about machines never fail", () => {
  for (const { id, severity, refuses, confidence } of CONDITIONS.filter((one) => /^UL-H/.test(one.id))) {
    expect([id, severity, refuses, confidence === "certain"]).toEqual([id, "warn", false, false]);
  }
});

describe("does not hold", () => {
  test.each(missed)("$id", ({ id, request }) => {
    expect(findings(request).map((one) => one.id)).not.toContain(id);
  });
});
