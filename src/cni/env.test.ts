import { expect, test } from "bun:test";
import { type Env, mayBeOwnNetns, readEnv, VERBS } from "./env.ts";
import { CniError } from "./errors.ts";

const FULL = {
  CNI_CONTAINERID: "abc-1.2_x",
  CNI_NETNS: "/run/netns/x",
  CNI_IFNAME: "eth0",
  CNI_ARGS: "A=1",
  CNI_PATH: "/opt/cni/bin::/usr/lib/cni",
};

function refusal(env: Env): { code: number; message: string; details: string } {
  try {
    readEnv(env);
  } catch (thrown) {
    if (thrown instanceof CniError) {
      const { code, message, details } = thrown;
      return { code, message, details };
    }
    throw thrown;
  }
  throw new Error("was not refused");
}

test("what a call has is read; CNI_PATH is split", () => {
  for (const verb of VERBS) {
    expect(readEnv({ ...FULL, CNI_COMMAND: verb })).toEqual({
      verb,
      containerId: "abc-1.2_x",
      netns: "/run/netns/x",
      ifname: "eth0",
      path: ["/opt/cni/bin", "/usr/lib/cni"],
      args: "A=1",
    });
  }
});

test("each verb's missing variables are listed in one error, CNI_PATH last", () => {
  const wanted = {
    ADD: "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH",
    CHECK: "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH",
    DEL: "CNI_CONTAINERID,CNI_IFNAME,CNI_PATH",
    GC: "CNI_PATH",
    STATUS: "CNI_PATH",
  };
  for (const [verb, names] of Object.entries(wanted)) {
    const error = { code: 4, message: `required env variables [${names}] missing`, details: "" };
    expect(refusal({ CNI_COMMAND: verb })).toEqual(error);
    expect(refusal({ CNI_COMMAND: verb, CNI_CONTAINERID: "", CNI_IFNAME: "" })).toEqual(error);
  }
});

test("CNI_NETNS may be empty on DEL; VERSION needs nothing", () => {
  const { CNI_NETNS: _, ...rest } = FULL;
  expect(readEnv({ ...rest, CNI_COMMAND: "DEL" }).netns).toBe("");
  expect(refusal({ ...rest, CNI_COMMAND: "ADD" }).message).toBe("required env variables [CNI_NETNS] missing");
  expect(readEnv({ CNI_COMMAND: "VERSION" }).verb).toBe("VERSION");
});

test("podman's VERSION has dummies that no other verb would take", () => {
  const env = { CNI_COMMAND: "VERSION", CNI_NETNS: "dummy", CNI_IFNAME: "a/b", CNI_CONTAINERID: "../x" };
  expect(readEnv(env).verb).toBe("VERSION");
});

test("values are checked only where the verb needs them", () => {
  const bad = { ...FULL, CNI_CONTAINERID: "../../etc", CNI_IFNAME: "../eth0" };
  for (const verb of ["GC", "STATUS"]) expect(readEnv({ ...bad, CNI_COMMAND: verb }).verb).toBe(verb as "GC");
  for (const verb of ["ADD", "DEL", "CHECK"]) expect(refusal({ ...bad, CNI_COMMAND: verb }).code).toBe(4);
});

test("a bad value is told before what is missing", () => {
  const env = { CNI_COMMAND: "ADD", CNI_CONTAINERID: "a/b" };
  expect(refusal(env).message).toBe("invalid characters in containerID");
});

test("container ids are words that can be file names", () => {
  for (const id of ["a", "0", "Z9_.-", "a..b", "x".repeat(500)]) {
    expect(readEnv({ ...FULL, CNI_COMMAND: "ADD", CNI_CONTAINERID: id }).containerId).toBe(id);
  }
  for (const id of [".", "..", "../x", "a/b", "-a", "_a", "a b", "a\n", "é", "a;b", "a=b"]) {
    expect(refusal({ ...FULL, CNI_COMMAND: "ADD", CNI_CONTAINERID: id })).toEqual({
      code: 4,
      message: "invalid characters in containerID",
      details: id,
    });
  }
});

test("interface names are what the kernel takes", () => {
  for (const name of ["e", "eth0.100", "123456789012345", "éth"]) {
    expect(readEnv({ ...FULL, CNI_COMMAND: "ADD", CNI_IFNAME: name }).ifname).toBe(name);
  }
  const refused = {
    "1234567890123456": "interface name is too long",
    éééééééé: "interface name is too long",
    ".": "interface name is . or ..",
    "..": "interface name is . or ..",
    "a/b": "interface name contains / or : or whitespace characters",
    "a:b": "interface name contains / or : or whitespace characters",
    "a b": "interface name contains / or : or whitespace characters",
    "a\u00a0b": "interface name contains / or : or whitespace characters",
    "a\u0085b": "interface name contains / or : or whitespace characters",
    "eth%d": 'link name "eth%d" has a % in it, which the kernel takes for a pattern',
    all: '"all" is not a link name',
  };
  for (const [name, message] of Object.entries(refused)) {
    expect(refusal({ ...FULL, CNI_COMMAND: "DEL", CNI_IFNAME: name })).toMatchObject({ code: 4, message });
  }
});

test("a verb that nobody knows is told in the words that libcni looks for", () => {
  expect(refusal({ ...FULL, CNI_COMMAND: "NOPE" })).toEqual({
    code: 4,
    message: "unknown CNI_COMMAND: NOPE",
    details: "",
  });
  expect(refusal({ CNI_COMMAND: "add" }).message).toBe("unknown CNI_COMMAND: add");
  expect(refusal({}).message).toBe("required env variables [CNI_COMMAND] missing");
});

test("CNI_NETNS_OVERRIDE is 1 or true in any case", () => {
  for (const value of ["1", "true", "TRUE", "True"])
    expect(mayBeOwnNetns({ CNI_NETNS_OVERRIDE: value })).toBe(true);
  for (const value of ["", "0", "yes", "false"])
    expect(mayBeOwnNetns({ CNI_NETNS_OVERRIDE: value })).toBe(false);
  expect(mayBeOwnNetns({})).toBe(false);
});
