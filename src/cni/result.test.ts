import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Cidr, formatCidr, type Ip } from "../lib/ip.ts";
import { CniError } from "./errors.ts";
import { inVersion, parseResult, printResult, type Result } from "./result.ts";
import { VERSIONS, type Version } from "./versions.ts";

const FULL_1 = {
  cniVersion: "1.1.0",
  interfaces: [
    {
      name: "eth0",
      mac: "02:00:00:00:00:01",
      mtu: 1500,
      sandbox: "/run/netns/x",
      socketPath: "/s",
      pciID: "0000:00:1f.6",
    },
    { name: "veth0" },
  ],
  ips: [
    { interface: 0, address: "10.1.0.5/24", gateway: "10.1.0.1" },
    { interface: 1, address: "10.1.0.6/24" },
    { address: "fd00::5/64", gateway: "fd00::1" },
  ],
  routes: [
    { dst: "0.0.0.0/0" },
    { dst: "10.2.0.0/16", gw: "10.1.0.9", mtu: 1400, advmss: 1360, priority: 7, table: 0, scope: 0 },
    { dst: "::/0", gw: "fd00::1", table: 100, scope: 253 },
  ],
  dns: { nameservers: ["10.1.0.1"], domain: "x.test", search: ["a.test"], options: ["ndots:1"] },
};

const printed = (result: Result, version: Version): unknown => JSON.parse(printResult(result, version));
const parsed = (value: unknown): Result => parseResult(value, "1.1.0");

test("1.0.0 and 1.1.0 keep everything, with 0 where it means something", () => {
  expect(printed(parsed(FULL_1), "1.1.0")).toEqual(FULL_1);
  expect(printed(parsed(FULL_1), "1.0.0")).toEqual({ ...FULL_1, cniVersion: "1.0.0" });
});

test("0.3.0 to 0.4.0: addresses say their family, interfaces have three keys, routes keep all", () => {
  for (const cniVersion of ["0.3.0", "0.3.1", "0.4.0"] as const) {
    expect(printed(parsed(FULL_1), cniVersion)).toEqual({
      cniVersion,
      interfaces: [{ name: "eth0", mac: "02:00:00:00:00:01", sandbox: "/run/netns/x" }, { name: "veth0" }],
      ips: FULL_1.ips.map((ip, i) => ({ version: i < 2 ? "4" : "6", ...ip })),
      routes: FULL_1.routes,
      dns: FULL_1.dns,
    });
  }
});

test("0.1.0 and 0.2.0: the first address of each family, its routes with dst and gw, no interface", () => {
  for (const cniVersion of ["0.1.0", "0.2.0"] as const) {
    expect(printed(parsed(FULL_1), cniVersion)).toEqual({
      cniVersion,
      ip4: {
        ip: "10.1.0.5/24",
        gateway: "10.1.0.1",
        routes: [{ dst: "0.0.0.0/0" }, { dst: "10.2.0.0/16", gw: "10.1.0.9" }],
      },
      ip6: { ip: "fd00::5/64", gateway: "fd00::1", routes: [{ dst: "::/0", gw: "fd00::1" }] },
      dns: FULL_1.dns,
    });
  }
});

test("a family without an address loses its routes in 0.2.0", () => {
  const result = parsed({ ips: [{ address: "fd00::5/64" }], routes: [{ dst: "0.0.0.0/0" }] });
  expect(printed(result, "0.2.0")).toEqual({ cniVersion: "0.2.0", ip6: { ip: "fd00::5/64" }, dns: {} });
});

test("without an address 0.1.0 and 0.2.0 have no words", () => {
  const result = parsed({ interfaces: [{ name: "eth0" }] });
  for (const version of ["0.1.0", "0.2.0"] as const)
    expect(() => printResult(result, version)).toThrow(
      new CniError(999, "cannot convert: no valid IP addresses"),
    );
});

test("an empty result: dns is printed up to 0.4.0, and nothing else ever", () => {
  for (const cniVersion of ["0.3.0", "0.3.1", "0.4.0"] as const)
    expect(printed(parsed({}), cniVersion)).toEqual({ cniVersion, dns: {} });
  for (const cniVersion of ["1.0.0", "1.1.0"] as const)
    expect(printed(parsed({}), cniVersion)).toEqual({ cniVersion });
});

test("zero values are as good as absent, as Go omits them", () => {
  const zeros = {
    interfaces: [{ name: "", mac: "", mtu: 0, sandbox: "", socketPath: "", pciID: "" }],
    ips: [{ address: "10.0.0.1/8", gateway: "", interface: null }],
    routes: [{ dst: "10.0.0.0/8", gw: "", mtu: 0, advmss: 0, priority: 0, table: null, scope: null }],
    dns: { nameservers: [], domain: "", search: [], options: [] },
  };
  const small = {
    cniVersion: "1.0.0",
    interfaces: [{ name: "" }],
    ips: [{ address: "10.0.0.1/8" }],
    routes: [{ dst: "10.0.0.0/8" }],
  };
  expect(printed(parsed(zeros), "1.0.0")).toEqual(small);
  // The same when a plugin of ours made it and nobody parsed it.
  const made = { ...parsed(small), interfaces: [{ name: "", mac: "", mtu: 0, sandbox: "" }] };
  expect(printed(made, "1.0.0")).toEqual(small);
});

test("one document of four spaces with a line feed at its end", () => {
  expect(printResult(parsed({}), "1.0.0")).toBe('{\n    "cniVersion": "1.0.0"\n}\n');
});

test("keys have any case; null lists and a literal null version are absent", () => {
  const odd = {
    CNIVersion: null,
    IPs: [{ Address: "10.0.0.1/8", GateWay: "10.0.0.2" }],
    Interfaces: null,
    DNS: null,
  };
  expect(printed(parsed(odd), "1.0.0")).toEqual({
    cniVersion: "1.0.0",
    ips: [{ address: "10.0.0.1/8", gateway: "10.0.0.2" }],
  });
});

test("a result that does not say its version is in the one asked for", () => {
  const poor = { ip4: { ip: "10.0.0.1/8" } };
  expect(parseResult(poor, "0.2.0").ips).toHaveLength(1);
  expect(parseResult(poor, "1.0.0").ips).toHaveLength(0);
  expect(parseResult({ ...poor, cniVersion: "0.1.0" }, "1.0.0").ips).toHaveLength(1);
});

test("addresses are Go's: mapped IPv4 is IPv4, leading zeros are wrong", () => {
  const one = parsed({ ips: [{ address: "::ffff:10.0.0.1/120", gateway: "::ffff:10.0.0.2" }] });
  expect(printed(one, "0.4.0")).toMatchObject({
    ips: [{ version: "4", address: "10.0.0.1/24", gateway: "10.0.0.2" }],
  });
  for (const address of ["10.0.0.01/8", "10.0.0.1", "10.0.0.1/33", "10.0.0.1/08", "", "x", "::1/129"])
    expect(() => parsed({ ips: [{ address }] })).toThrow(
      /^no CNI result: ips\[0\]\.address must be ADDRESS\/PREFIX/,
    );
});

test("hardware addresses of other lengths pass through", () => {
  const mac = "80:00:00:48:fe:80:00:00:00:00:00:00:00:11:75:00:00:5a:6a:9e";
  expect(printed(parsed({ interfaces: [{ name: "ib0", mac }] }), "1.0.0")).toMatchObject({
    interfaces: [{ mac }],
  });
});

test("wrong types are code 6 with their path", () => {
  const wrong: [unknown, RegExp][] = [
    [[], /^no CNI result: the message must be an object, not a list$/],
    [{ cniVersion: 1 }, /cniVersion must be a string/],
    [{ interfaces: [{ name: "a", mtu: "1500" }] }, /interfaces\[0\]\.mtu must be a whole number/],
    [{ ips: [{ address: "10.0.0.1/8", interface: 0.5 }] }, /ips\[0\]\.interface must be a whole number/],
    [{ routes: [{ gw: "10.0.0.1" }] }, /routes\[0\]\.dst must be ADDRESS\/PREFIX, not nothing/],
    [{ routes: [{ dst: "0.0.0.0/0", gw: "x" }] }, /routes\[0\]\.gw must be an IP address, not x/],
    [{ dns: { nameservers: "10.0.0.1" } }, /dns\.nameservers must be a list/],
  ];
  for (const [value, message] of wrong) expect(() => parsed(value)).toThrow(message);
  expect(() => parsed({ cniVersion: "2.0.0" })).toThrow('unsupported CNI result version "2.0.0"');
});

const ipOf = (family: 4 | 6): fc.Arbitrary<Ip> =>
  fc
    .uint8Array({ minLength: family === 4 ? 4 : 16, maxLength: family === 4 ? 4 : 16 })
    .filter((bytes) => family === 4 || bytes[0] !== 0)
    .map((bytes) => ({ family, bytes }));
const anyIp = fc.oneof(ipOf(4), ipOf(6));
const anyCidr: fc.Arbitrary<Cidr> = anyIp.chain((ip) =>
  fc.nat(ip.bytes.length * 8).map((prefix) => ({ ip, prefix })),
);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const word = fc.stringMatching(/^[a-z0-9.:/]{1,12}$/);
const positive = fc.integer({ min: 1, max: 0x7fffffff });
const words = maybe(fc.array(word, { minLength: 1, maxLength: 3 }));
const anyResult: fc.Arbitrary<Result> = fc.record({
  interfaces: fc.array(
    fc.record({
      name: word,
      mac: maybe(word),
      mtu: maybe(positive),
      sandbox: maybe(word),
      socketPath: maybe(word),
      pciID: maybe(word),
    }),
    { maxLength: 3 },
  ),
  ips: fc.array(fc.record({ address: anyCidr, gateway: maybe(anyIp), interface: maybe(fc.nat(9)) }), {
    maxLength: 4,
  }),
  routes: fc.array(
    fc.record({
      dst: anyCidr,
      gw: maybe(anyIp),
      mtu: maybe(positive),
      advmss: maybe(positive),
      priority: maybe(positive),
      table: maybe(fc.nat(0xffff)),
      scope: maybe(fc.nat(255)),
    }),
    { maxLength: 4 },
  ),
  dns: fc.record({ nameservers: words, domain: maybe(word), search: words, options: words }),
});

test("what is printed in 1.0.0 and 1.1.0 is read back as it was", () => {
  fc.assert(
    fc.property(anyResult, fc.constantFrom("1.0.0" as const, "1.1.0" as const), (result, version) => {
      expect(inVersion(result, version)).toEqual(result);
    }),
  );
});

test("a version loses once: what it said it says again, byte for byte", () => {
  fc.assert(
    fc.property(anyResult, fc.constantFrom(...VERSIONS), (result, version) => {
      fc.pre(result.ips.length > 0);
      const first = printResult(result, version);
      expect(printResult(parseResult(JSON.parse(first), "1.1.0"), version)).toBe(first);
    }),
  );
});

test("addresses survive every version that has room for them", () => {
  fc.assert(
    fc.property(
      anyResult,
      fc.constantFrom("0.3.0" as const, "0.3.1" as const, "0.4.0" as const),
      (result, version) => {
        const { ips, routes, dns } = inVersion(result, version);
        expect({ ips, routes, dns }).toEqual({ ips: result.ips, routes: result.routes, dns: result.dns });
      },
    ),
  );
  fc.assert(
    fc.property(anyResult, fc.constantFrom("0.1.0" as const, "0.2.0" as const), (result, version) => {
      fc.pre(result.ips.length > 0);
      const firsts = [4, 6].flatMap(
        (family) => result.ips.find(({ address }) => address.ip.family === family) ?? [],
      );
      const kept = inVersion(result, version).ips.map(({ address }) => formatCidr(address));
      expect(kept).toEqual(firsts.map(({ address }) => formatCidr(address)));
    }),
  );
});

test("no JSON value makes the parser do anything but answer or say code 6", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(...VERSIONS), (value, version) => {
      try {
        parseResult(value, version);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(CniError);
        expect(thrown).toMatchObject({ code: 6 });
      }
    }),
  );
});
