import { describe, expect, test } from "bun:test";
import { VERSIONS } from "../versions.ts";
import { callOf, printed } from "./calls.fixture.ts";
import { staticIpam } from "./static.ts";

/** cni.md section 3.8. */

const conf = (ipam: object, more: object = {}) => ({ ipam: { type: "static", ...ipam }, ...more });
const addresses = [
  { address: "10.10.0.1/24", gateway: "10.10.0.254" },
  { address: "3ffe:ffff:0:01ff::1/64", gateway: "3ffe:ffff:0::1" },
];
const routes = [
  { dst: "0.0.0.0/0" },
  { dst: "192.168.0.0/16", gw: "10.10.5.1" },
  { dst: "3ffe:ffff:0:1ff::1/64" },
];

describe.each(VERSIONS.map((version) => [version] as const))("static %s", (version) => {
  test("passes on what is written", async () => {
    const dns = { nameservers: ["8.8.8.8"], domain: "example.com", search: ["example.com"] };
    const result = await printed(staticIpam, callOf(conf({ addresses, routes, dns }), { version }));
    const ips = [
      { address: "10.10.0.1/24", gateway: "10.10.0.254" },
      { address: "3ffe:ffff:0:1ff::1/64", gateway: "3ffe:ffff::1" },
    ];
    const poor = { ip4: { ip: ips[0]?.address }, ip6: { ip: ips[1]?.address } };
    expect(result).toMatchObject({ ...(version >= "0.3.0" ? { ips, routes } : poor), dns });
    await staticIpam.del(callOf(conf({ addresses }), { version, container: "unknown" }));
  });

  test("keeps two default routes", async () => {
    const twice = [
      { dst: "0.0.0.0/0", gw: "10.10.0.1" },
      { dst: "0.0.0.0/0", gw: "10.10.0.2" },
    ];
    const result = await staticIpam.add(callOf(conf({ addresses, routes: twice }), { version }));
    expect(result.routes).toHaveLength(2);
  });

  const byEnv = { args: "IP=10.10.0.1/24,11.11.0.1/24;GATEWAY=10.10.0.254,11.11.0.254", version };
  test("takes addresses from CNI_ARGS", async () => {
    const add = printed(staticIpam, callOf(conf({}), byEnv));
    if (version < "0.3.0") {
      await expect(add).rejects.toThrow(
        `CNI version ${version} does not support more than 1 address per family`,
      );
      return;
    }
    expect(await add).toMatchObject({
      ips: [
        { address: "10.10.0.1/24", gateway: "10.10.0.254" },
        { address: "11.11.0.1/24", gateway: "11.11.0.254" },
      ],
    });
  });
});

describe("who says what an address is", () => {
  const args = { cni: { ips: ["10.10.0.2/24", "12.12.0.1/24"] } };
  const runtimeConfig = { ips: ["10.10.0.3/24"] };
  test.each<[string, object, string | undefined, object[]]>([
    ["args", { args }, undefined, [{ address: "10.10.0.2/24" }, { address: "12.12.0.1/24" }]],
    ["the runtime", { runtimeConfig }, undefined, [{ address: "10.10.0.3/24" }]],
    ["the runtime, whoever else", { args, runtimeConfig }, "IP=10.10.0.4/24", [{ address: "10.10.0.3/24" }]],
  ])("%s", async (_, more, env, ips) => {
    const call = callOf(conf({}, more), env === undefined ? {} : { args: env });
    expect(await printed(staticIpam, call)).toMatchObject({ ips });
  });

  test("an address of the runtime's keeps the gateway that its subnet has", async () => {
    const given = conf({ addresses }, { runtimeConfig: { ips: ["10.10.0.9/24", "10.99.0.9/24"] } });
    expect(await printed(staticIpam, callOf(given))).toMatchObject({
      ips: [{ address: "10.10.0.9/24", gateway: "10.10.0.254" }, { address: "10.99.0.9/24" }],
    });
    const byEnv = callOf(conf({}, { runtimeConfig }), { args: "GATEWAY=10.10.0.1" });
    expect(await printed(staticIpam, byEnv)).toMatchObject({
      ips: [{ address: "10.10.0.3/24", gateway: "10.10.0.1" }],
    });
  });
});

describe("what is refused", () => {
  const got = "is expected to be in CIDR notation, got: '10.10.0.1'";
  test.each<[object, string, string]>([
    [{ args: { cni: { ips: ["10.10.0.1/24"] } } }, "", "IPAM config missing 'ipam' key"],
    [{ runtimeConfig: { ips: ["10.10.0.1/24"] } }, "", "IPAM config missing 'ipam' key"],
    [conf({ addresses: [{ address: "10.10.0.1" }] }), "", `the 'address' field ${got}`],
    [conf({}), "IP=10.10.0.1", `the 'ip' field ${got}`],
    [conf({}), "IP=10.10.0.1/24;GATEWAY=x", "invalid gateway address: x"],
    [
      conf({}, { args: { cni: { ips: ["10.10.0.1"] } } }),
      "",
      "an entry in the 'ips' field is NOT in CIDR notation, got: '10.10.0.1'",
    ],
    [
      conf({}, { runtimeConfig: { ips: ["10.10.0.1"] } }),
      "",
      "an entry in the 'ips' field is NOT in CIDR notation, got: '10.10.0.1'",
    ],
  ])("%p with CNI_ARGS %p", async (given, args, message) => {
    await expect(staticIpam.add(callOf({ ...given }, { args }))).rejects.toMatchObject({ code: 7, message });
    await staticIpam.del(callOf({ ...given }, { args }));
  });
});

test("CHECK compares with what the runtime kept", async () => {
  const call = callOf(conf({ addresses }));
  await expect(staticIpam.check(call)).rejects.toThrow("Required prevResult missing");
  const result = await staticIpam.add(call);
  await staticIpam.check({ ...call, prevResult: result });
  const other = { ...result, ips: result.ips.slice(0, 1) };
  await expect(staticIpam.check({ ...call, prevResult: other })).rejects.toThrow(
    "static: Failed to match addr 3ffe:ffff:0:1ff::1 on interface eth0",
  );
});
