import { expect, test } from "bun:test";
import { formatIp, parseIp } from "../lib/ip.ts";
import { parseMac } from "../lib/mac.ts";
import { loadArgs } from "./args.ts";
import { CniError } from "./errors.ts";

const KEYS = { MAC: parseMac, IP: parseIp };

test("known keys are parsed; without CNI_ARGS there are none", () => {
  expect(loadArgs("", KEYS)).toEqual({});
  const { MAC, IP } = loadArgs("MAC=C2:11:22:33:44:55;IP=10.0.0.7", KEYS);
  expect<string | undefined>(MAC).toBe("c2:11:22:33:44:55");
  expect(IP && formatIp(IP)).toBe("10.0.0.7");
});

test("the last of two counts; an empty value is as good as absent", () => {
  expect(loadArgs("IP=;MAC=", KEYS)).toEqual({});
  expect<string | undefined>(loadArgs("MAC=02:00:00:00:00:01;MAC=02:00:00:00:00:02", KEYS).MAC).toBe(
    "02:00:00:00:00:02",
  );
});

test("podman's and kubelet's arguments", () => {
  const args = "IgnoreUnknown=1;K8S_POD_NAME=a1;MAC=02:11:22:33:44:55;IP=10.77.0.70";
  expect(Object.keys(loadArgs(args, KEYS))).toEqual(["MAC", "IP"]);
  expect(loadArgs(args, {})).toEqual({});
});

test("IgnoreUnknown counts wherever it stands", () => {
  for (const value of ["1", "true", "TRUE"]) expect(loadArgs(`A=b;IgnoreUnknown=${value}`, {})).toEqual({});
});

const REFUSED = [
  ["A=b;C=d", 'ARGS: unknown args ["A=b" "C=d"]'],
  ["IgnoreUnknown=0;A=b", 'ARGS: unknown args ["A=b"]'],
  ["mac=02:11:22:33:44:55", 'ARGS: unknown args ["mac=02:11:22:33:44:55"]'],
  ["constructor=1;__proto__=2", 'ARGS: unknown args ["constructor=1" "__proto__=2"]'],
  ["MAC=02:11:22:33:44:55;", 'ARGS: invalid pair ""'],
  ["IgnoreUnknown=1;A=b=c", 'ARGS: invalid pair "A=b=c"'],
  ["IgnoreUnknown", 'ARGS: invalid pair "IgnoreUnknown"'],
  ["IgnoreUnknown=yes", 'ARGS: error parsing value of pair "IgnoreUnknown=yes"'],
  ["IgnoreUnknown=", 'ARGS: error parsing value of pair "IgnoreUnknown="'],
  ["IgnoreUnknown=constructor", 'ARGS: error parsing value of pair "IgnoreUnknown=constructor"'],
  ["IP=10.0.0.07", 'ARGS: error parsing value of pair "IP=10.0.0.07"'],
] as const;

test.each(REFUSED)("%s is refused", (args, message) => {
  expect(() => loadArgs(args, KEYS)).toThrow(new CniError(4, message));
});
