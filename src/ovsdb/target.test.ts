import { describe, expect, test } from "bun:test";
import type { Problem } from "../lib/errors.ts";
import { DEFAULT_TARGET, formatTarget, parseTarget, type Target } from "./target.ts";

function parse(text: string): { target: Target | undefined; problems: string[] } {
  const problems: Problem[] = [];
  const target = parseTarget(text, "ovsdb", problems);
  return { target, problems: problems.map((problem) => problem.message) };
}

describe("a target", () => {
  const good: readonly (readonly [string, Target, string?])[] = [
    [DEFAULT_TARGET, { kind: "unix", path: "/run/openvswitch/db.sock" }],
    ["unix:/tmp/a b:c", { kind: "unix", path: "/tmp/a b:c" }],
    ["tcp:127.0.0.1:6640", { kind: "tcp", host: "127.0.0.1", port: 6640 }],
    ["tcp:127.0.0.1", { kind: "tcp", host: "127.0.0.1", port: 6640 }, "tcp:127.0.0.1:6640"],
    ["tcp:[::1]:6641", { kind: "tcp", host: "::1", port: 6641 }],
    ["tcp:[fd00::1]", { kind: "tcp", host: "fd00::1", port: 6640 }, "tcp:[fd00::1]:6640"],
    ["tcp:ovs-1.example:1", { kind: "tcp", host: "ovs-1.example", port: 1 }],
  ];
  test.each(good)("%s", (text, target, canonical = text) => {
    expect(parse(text)).toEqual({ target, problems: [] });
    expect(formatTarget(target)).toBe(canonical);
    expect(parse(canonical).target).toEqual(target);
  });

  const bad: readonly (readonly [string, string])[] = [
    ["", "must be unix:PATH or tcp:HOST:PORT, like unix:/run/openvswitch/db.sock or tcp:127.0.0.1:6640"],
    ["/run/openvswitch/db.sock", "is a path alone: say unix:/run/openvswitch/db.sock"],
    ["unix:db.sock", "must name an absolute path, like unix:/run/openvswitch/db.sock"],
    ["unix:", "must name an absolute path, like unix:/run/openvswitch/db.sock"],
    [`unix:/${"x".repeat(107)}`, "has a path of 108 bytes; a socket's has at most 107"],
    ["unix:/a\0b", "has a NUL in its path"],
    ["ptcp:6640:127.0.0.1", "is what a server listens on: say where it is reached, tcp:HOST:6640"],
    ["punix:/run/x", "is what a server listens on: say unix:/run/x"],
    ["ssl:10.0.0.1:6640", "asks for TLS, which is not spoken here"],
    ["tcp:::1:6640", "has an IPv6 address: say tcp:["],
    ["tcp:fd00::1", "has an IPv6 address: say tcp:[fd00::1]:6640"],
    ["tcp:[127.0.0.1]:6640", "has no IPv6 address between its brackets"],
    ["tcp:256.0.0.1:6640", "must be tcp:HOST:PORT"],
    ["tcp:127.1", "must be tcp:HOST:PORT"],
    ["tcp:-a:1", "must be tcp:HOST:PORT"],
    ["tcp::6640", "must be tcp:HOST:PORT"],
    ["tcp:h:0", 'has the port "0", which is none from 1 to 65535'],
    ["tcp:h:65536", 'has the port "65536"'],
    ["tcp:h:", 'has the port ""'],
    ["tcp:h:0x10", 'has the port "0x10"'],
    ["constructor:x", "must be unix:PATH or tcp:HOST:PORT"],
  ];
  test.each(bad)("%p is a problem that says what would be right", (text, message) => {
    const { target, problems } = parse(text);
    expect(target).toBeUndefined();
    expect(problems).toHaveLength(1);
    expect(problems[0]).toStartWith(`ovsdb ${JSON.stringify(text).slice(0, 20)}`);
    expect(problems[0]).toContain(message);
  });
});
