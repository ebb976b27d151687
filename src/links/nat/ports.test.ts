import { beforeEach, describe, expect, test } from "bun:test";
import { UnderlayError } from "../../lib/errors.ts";
import { formatIp, type Ip, parseIp } from "../../lib/ip.ts";
import { processWith } from "./holder.ts";
import { type HostPorts, hostPorts, type PortRequest } from "./ports.ts";

/** Who gets which port of the host, with a kernel that plays: what it does really is in test/live. */

const ip = (text: string): Ip => {
  const parsed = parseIp(text);
  if (!parsed) throw new Error(text);
  return parsed;
};
const V4 = ip("10.1.0.2");
const V6 = ip("fd00:1::2");
const HOST = ip("192.0.2.1");

/** What other processes have, and what we hold: `tcp 0.0.0.0 8080`. */
let others: Set<string>;
let open: string[];
let ports: HostPorts;

beforeEach(() => {
  others = new Set();
  open = [];
  ports = hostPorts({
    take: (protocol, address, port) => {
      if (formatIp(address) === "192.0.2.9")
        throw new UnderlayError("kernel", "take it: EADDRNOTAVAIL", { errno: "EADDRNOTAVAIL" });
      const name = `${protocol} ${formatIp(address)} ${port}`;
      if (others.has(name)) return undefined;
      if (open.includes(name)) throw new Error(`taken twice: ${name}`);
      open.push(name);
      return {
        close: () => {
          if (!open.includes(name)) throw new Error(`closed twice: ${name}`);
          open = open.filter((one) => one !== name);
        },
      };
    },
    ephemeral: () => [40_000, 40_003],
    holder: (_, port) => (port === 8081 ? "nginx (process 7)" : undefined),
  });
});

const tcp = (hostPort?: number, more: Partial<PortRequest> = {}): PortRequest => ({
  protocol: "tcp",
  containerPort: 80,
  ...(hostPort !== undefined && { hostPort }),
  ...more,
});

/** `[host address:]port>container address:port/protocol` of what was held. */
const hold = (owner: string, addresses: readonly Ip[], ...requests: readonly PortRequest[]): string[] =>
  ports
    .hold(owner, addresses, requests)
    .map(
      ({ hostAddress, hostPort, containerAddress, containerPort, protocol }) =>
        `${hostAddress ? formatIp(hostAddress) : ""}:${hostPort}>${formatIp(containerAddress)}:${containerPort}/${protocol}`,
    );

/** What an attempt says against it. */
function refusal(...args: Parameters<typeof hold>): { code: string; says: readonly string[] } {
  try {
    hold(...args);
  } catch (thrown) {
    if (!(thrown instanceof UnderlayError)) throw thrown;
    return { code: thrown.code, says: thrown.problems.map(({ message }) => message) };
  }
  throw new Error("it was not refused");
}

describe("what is asked for is given", () => {
  test.each<[string, readonly Ip[], PortRequest, string[]]>([
    ["on every address", [V4, V6], tcp(8080), ["0.0.0.0:8080>10.1.0.2:80/tcp", ":::8080>fd00:1::2:80/tcp"]],
    ["to the first address of a family", [V4, ip("10.1.0.3")], tcp(8080), ["0.0.0.0:8080>10.1.0.2:80/tcp"]],
    ["of the families there are", [V6], tcp(8080), [":::8080>fd00:1::2:80/tcp"]],
    ["on one address", [V4, V6], tcp(8080, { hostAddress: HOST }), ["192.0.2.1:8080>10.1.0.2:80/tcp"]],
    ["of one family", [V4, V6], tcp(8080, { hostAddress: ip("::") }), [":::8080>fd00:1::2:80/tcp"]],
    ["udp", [V4], tcp(53, { protocol: "udp" }), ["0.0.0.0:53>10.1.0.2:80/udp"]],
    ["any", [V4], tcp(), ["0.0.0.0:40000>10.1.0.2:80/tcp"]],
    ["any, as 0", [V4], tcp(0), ["0.0.0.0:40000>10.1.0.2:80/tcp"]],
    ["of a range", [V4], tcp(8080, { hostPortEnd: 8082 }), ["0.0.0.0:8080>10.1.0.2:80/tcp"]],
  ])("%s", (_, addresses, request, expected) => {
    expect(hold("a", addresses, request)).toEqual(expected);
  });

  test("a range and the free ones pass over what others have", () => {
    others = new Set(["tcp 0.0.0.0 8080", "tcp :: 8081", "tcp 0.0.0.0 40000"]);
    expect(hold("a", [V4, V6], tcp(8080, { hostPortEnd: 8082 }))).toEqual([
      "0.0.0.0:8082>10.1.0.2:80/tcp",
      ":::8082>fd00:1::2:80/tcp",
    ]);
    expect(hold("b", [V4], tcp())).toEqual(["0.0.0.0:40001>10.1.0.2:80/tcp"]);
    expect(open.sort()).toEqual(["tcp 0.0.0.0 40001", "tcp 0.0.0.0 8082", "tcp :: 8082"]);
  });

  test("a free one is not one that was just given back, until all had their turn", () => {
    const given = ["a", "b", "c", "d", "e"].map((owner) => {
      const [port = ""] = hold(owner, [V4], tcp());
      ports.release(owner);
      return port.split(">")[0];
    });
    expect(given).toEqual(["40000", "40001", "40002", "40003", "40000"].map((port) => `0.0.0.0:${port}`));
  });

  test("one port for each protocol, and for each address", () => {
    hold("a", [V4], tcp(8080, { hostAddress: HOST }));
    hold("b", [V4], tcp(8080, { protocol: "udp" }), tcp(8080, { hostAddress: ip("192.0.2.2") }));
    hold("c", [V6], tcp(8080));
    expect(open).toHaveLength(4);
  });
});

describe("again", () => {
  test("the same is kept, the free one too; what is not asked for any more is given back", () => {
    const requests = [
      tcp(8080),
      tcp(0, { containerPort: 81 }),
      tcp(9000, { hostPortEnd: 9001, containerPort: 82 }),
    ];
    const first = hold("a", [V4], ...requests);
    expect(hold("a", [V4], ...requests)).toEqual(first);
    expect(hold("a", [V4], tcp(8080), tcp(8090))).toEqual([
      "0.0.0.0:8080>10.1.0.2:80/tcp",
      "0.0.0.0:8090>10.1.0.2:80/tcp",
    ]);
    expect(open).toEqual(["tcp 0.0.0.0 8080", "tcp 0.0.0.0 8090"]);
  });

  test("what cannot be had takes nothing of what was there", () => {
    hold("a", [V4], tcp(8080));
    others = new Set(["tcp 0.0.0.0 8081"]);
    refusal("a", [V4], tcp(8080), tcp(8090), tcp(8081));
    expect(open).toEqual(["tcp 0.0.0.0 8080"]);
    ports.release("a");
    ports.release("a");
    expect(open).toEqual([]);
  });
});

describe("what is refused", () => {
  test.each<[string, PortRequest, string]>([
    ["another endpoint's", tcp(8080), "host port 8080/tcp is taken by endpoint web"],
    [
      "another endpoint's, on one address",
      tcp(8080, { hostAddress: HOST }),
      "host port 8080/tcp is taken by endpoint web",
    ],
    ["a process's", tcp(8081), "host port 8081/tcp is taken by nginx (process 7)"],
    ["somebody's", tcp(8082), "host port 8082/tcp is taken by another process"],
    [
      "a whole range",
      tcp(8080, { hostPortEnd: 8082 }),
      "host ports 8080-8082 are all taken: host port 8080/tcp is taken by endpoint web",
    ],
  ])("%s", (_, request, message) => {
    hold("web", [V4], tcp(8080));
    others = new Set(["tcp 0.0.0.0 8081", "tcp 0.0.0.0 8082"]);
    expect(refusal("a", [V4], request)).toEqual({ code: "conflict", says: [message] });
    expect(open).toEqual(["tcp 0.0.0.0 8080"]);
  });

  test("all that is wrong is told", () => {
    others = new Set(["tcp 0.0.0.0 8081", "tcp 0.0.0.0 8082"]);
    expect(refusal("a", [V4], tcp(8081), tcp(8090), tcp(8082)).says).toHaveLength(2);
    expect(refusal("a", [V4], tcp(8090), tcp(8090)).says).toEqual([
      "host port 8090/tcp is taken by endpoint a",
    ]);
    expect(open).toEqual([]);
  });

  test("when none is free any more", () => {
    for (const owner of ["a", "b", "c", "d"]) hold(owner, [V4], tcp());
    expect(refusal("e", [V4], tcp())).toEqual({ code: "conflict", says: ["no host port is free for tcp"] });
  });

  test.each<[string, PortRequest, string]>([
    ["a port that is none", tcp(65_536), "65536:80/tcp: a port is 1 to 65535"],
    ["no container's port", tcp(80, { containerPort: 0 }), "80:0/tcp: a port is 1 to 65535"],
    ["a range backwards", tcp(80, { hostPortEnd: 79 }), "80-79:80/tcp: a range begins with its smaller port"],
    [
      "an address of the other family",
      tcp(80, { hostAddress: ip("2001:db8::1") }),
      "80:80/tcp: the endpoint has no IPv6 address that it could lead to",
    ],
    [
      "an address that the host has not",
      tcp(80, { hostAddress: ip("192.0.2.9") }),
      "192.0.2.9 is no address of this host",
    ],
  ])("%s", (_, request, message) => {
    expect(refusal("a", [V4], request)).toEqual({ code: "invalid_option", says: [message] });
    expect(open).toEqual([]);
  });
});

test("the process that has a port", () => {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  try {
    expect(processWith("tcp", server.port)).toEndWith(`(process ${process.pid})`);
    expect(processWith("udp", server.port)).toBeUndefined();
  } finally {
    server.stop(true);
  }
  expect(processWith("tcp", server.port)).toBeUndefined();
});
