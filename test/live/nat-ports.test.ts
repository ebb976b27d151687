import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type HeldPort, holdPort, type PortToHold } from "../../src/sys/held-port.ts";
import { openTestNetns, type TestNetns } from "../ground/netns.ts";
import { must, run } from "../ground/run.ts";
import { ip } from "./nat-scene.ts";

/** A port that is held: from whom, and what another program meets who wants it, asks it, or had it before. */

let host: TestNetns;
let held: HeldPort[];
beforeEach(() => {
  host = openTestNetns();
  host.ip("link", "set", "lo", "up");
  held = [];
});
afterEach(() => {
  for (const each of held) each.close();
  host[Symbol.dispose]();
});

function hold(protocol: PortToHold["protocol"], address: string, port = 8080): HeldPort | undefined {
  const taken = holdPort(host.libc, { protocol, address: ip(address), port, netns: host.netns });
  if (taken) held.push(taken);
  return taken;
}

/** Python in the netns; what it prints, or the name of the errno that ended it. */
async function python(script: string): Promise<string> {
  const whole = `import errno, socket\ntry:\n${script.replace(/^/gm, "  ")}\nexcept OSError as e:\n  print(errno.errorcode[e.errno])`;
  return (await must(["nsenter", `--net=${host.path}`, "python3", "-c", whole])).trim();
}

const listens = (address: string, options = "", kind = "SOCK_STREAM") =>
  `
s = socket.socket(socket.${address.includes(":") ? "AF_INET6" : "AF_INET"}, socket.${kind})
${options}
s.bind(("${address}", 8080))
${kind === "SOCK_STREAM" ? "s.listen()" : ""}
print("has it")`.trim();
const REUSE = "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)";
const ONLY_V6 = "s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)";

describe("who wants it", () => {
  test.each([
    ["tcp", "0.0.0.0", "0.0.0.0", "", "EADDRINUSE"],
    ["tcp", "0.0.0.0", "127.0.0.1", REUSE, "EADDRINUSE"],
    ["tcp", "127.0.0.1", "0.0.0.0", REUSE, "EADDRINUSE"],
    ["tcp", "127.0.0.1", "127.0.0.2", "", "has it"],
    ["tcp", "0.0.0.0", "::", ONLY_V6, "has it"],
    ["tcp", "0.0.0.0", "::", "", "EADDRINUSE"],
    ["tcp", "::", "::1", REUSE, "EADDRINUSE"],
    ["tcp", "::", "0.0.0.0", "", "has it"],
  ] as const)("%s %s held: %s %s gets %p", async (protocol, ours, theirs, options, expected) => {
    expect(hold(protocol, ours)).toBeDefined();
    expect(await python(listens(theirs, options))).toBe(expected);
  });

  test.each([
    ["0.0.0.0", "0.0.0.0", ""],
    ["0.0.0.0", "127.0.0.1", REUSE],
    ["::", "::", `${REUSE}\n${ONLY_V6}`],
  ])("udp %s held: %s gets nothing, whatever it sets", async (ours, theirs, options) => {
    expect(hold("udp", ours)).toBeDefined();
    expect(await python(listens(theirs, options, "SOCK_DGRAM"))).toBe("EADDRINUSE");
  });

  test("nor do we a second time, and after it was given back anybody does", async () => {
    const first = hold("tcp", "0.0.0.0");
    expect(hold("tcp", "0.0.0.0")).toBeUndefined();
    expect(hold("tcp", "127.0.0.1")).toBeUndefined();
    expect(hold("udp", "0.0.0.0")).toBeDefined();
    first?.close();
    held = held.filter((each) => each !== first);
    expect(await python(listens("0.0.0.0"))).toBe("has it");
  });
});

test("who asks it is refused at once", async () => {
  hold("tcp", "0.0.0.0");
  expect(await python('socket.create_connection(("127.0.0.1", 8080), 5)')).toBe("ECONNREFUSED");
});

describe("who has it already", () => {
  test.each(["tcp", "udp"] as const)(
    "%s: a program that listens, with and without SO_REUSEADDR",
    async (protocol) => {
      for (const options of ["", REUSE]) {
        const kind = protocol === "tcp" ? "SOCK_STREAM" : "SOCK_DGRAM";
        const server = Bun.spawn(
          [
            ...["nsenter", `--net=${host.path}`, "python3", "-uc"],
            `import socket, sys\n${listens("127.0.0.1", options, kind)}\nsys.stdin.read()`,
          ],
          { stdin: "pipe", stdout: "pipe" },
        );
        await server.stdout.getReader().read();
        expect(hold(protocol, "0.0.0.0")).toBeUndefined();
        expect(hold(protocol, "127.0.0.2")).toBeDefined();
        server.stdin.end();
        await server.exited;
        for (const each of held.splice(0)) each.close();
      }
    },
  );

  test("what is left of connections of who had it before is in nobody's way", async () => {
    const script = `
s = socket.create_server(("127.0.0.1", 8080))
c = socket.create_connection(("127.0.0.1", 8080))
a, _ = s.accept()
a.close()
c.recv(1)
c.close()
s.close()`.trim();
    await python(script);
    const left = await run(["nsenter", `--net=${host.path}`, "cat", "/proc/thread-self/net/tcp"]);
    expect(left.stdout).toMatch(/0100007F:1F90 \S+ 06/);
    expect(await python(listens("127.0.0.1"))).toBe("EADDRINUSE");
    expect(hold("tcp", "0.0.0.0")).toBeDefined();
    expect(await python(listens("127.0.0.1", REUSE))).toBe("EADDRINUSE");
  });
});

test("an address that the host has not is the kernel's to refuse", () => {
  expect(() => hold("tcp", "192.0.2.9")).toThrow(expect.objectContaining({ errno: "EADDRNOTAVAIL" }));
});
