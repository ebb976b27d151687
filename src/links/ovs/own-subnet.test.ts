import { describe, expect, test } from "bun:test";
import { OWN_SUBNET, ownSubnet, readGateway, readSubnet } from "./own-subnet.ts";

test("the old plugin's subnet has its gateway", () => {
  expect(ownSubnet(OWN_SUBNET, undefined)).toEqual({
    value: { pool: "172.18.40.0/24", gateway: "172.18.40.1" },
  });
});

describe("subnets", () => {
  test.each([
    ["10.9.0.0/16", { value: "10.9.0.0/16" }],
    ["fd00::/126", { value: "fd00::/126" }],
    ["10.9.0.0/30", { value: "10.9.0.0/30" }],
    ["10.9.0.0/31", { problem: '"10.9.0.0/31" is too small: at most /30 holds a gateway and a container' }],
    ["10.9.0.1/24", { problem: '"10.9.0.1/24" has host bits set; 10.9.0.0/24 has not' }],
    ["10.9.0.0", { problem: '"10.9.0.0" is no subnet; write it like 172.18.40.0/24' }],
  ])("%s", (text, reading) => {
    expect(readSubnet(text)).toEqual(reading);
  });
});

describe("gateways", () => {
  test.each([
    ["10.9.0.0/24", undefined, "10.9.0.1"],
    ["10.9.0.0/24", "10.9.0.254", "10.9.0.254"],
    ["10.8.0.0/15", undefined, "10.8.0.1"],
    ["10.8.0.0/15", "10.9.0.0", "10.9.0.0"],
    ["fd00::/64", undefined, "fd00::1"],
    ["fd00::/126", "fd00::3", "fd00::3"],
  ])("of %s, %s is %s", (subnet, gateway, is) => {
    expect(ownSubnet(subnet, gateway)).toEqual({ value: { pool: subnet, gateway: is } });
  });

  test.each([
    ["10.9.0.0/24", "10.9.1.1", "gateway 10.9.1.1 is not in subnet 10.9.0.0/24"],
    ["10.9.0.0/24", "fd00::1", "gateway fd00::1 is not in subnet 10.9.0.0/24"],
    [
      "10.9.0.0/24",
      "10.9.0.0",
      "gateway 10.9.0.0 is the first or the last address of 10.9.0.0/24, which no host has",
    ],
    [
      "10.8.0.0/15",
      "10.9.255.255",
      "gateway 10.9.255.255 is the first or the last address of 10.8.0.0/15, which no host has",
    ],
  ])("of %s, %s is refused", (subnet, gateway, problem) => {
    expect(ownSubnet(subnet, gateway)).toEqual({ problem });
  });

  test("are addresses", () => {
    expect(readGateway("10.9.0.1")).toEqual({ value: "10.9.0.1" });
    expect(readGateway("10.9.0.1/24")).toEqual({
      problem: '"10.9.0.1/24" is no address; write it like 172.18.40.1',
    });
  });
});
