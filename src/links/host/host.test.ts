import { describe, expect, test } from "bun:test";
import type { Read } from "../../lib/host-facts.ts";
import { bootFacts } from "./boot.ts";
import { kernelFacts, machineFacts } from "./machine.ts";
import { moduleState, modulesNow } from "./modules.ts";
import { neighbourTables } from "./neighbours.ts";
import { processFacts, profileOf } from "./process.ts";
import { type Files, MACHINE_FILES } from "./read.ts";

/** A machine of files: path to text, folders among them by what lies in them. */
function machine(files: Readonly<Record<string, string>>): Files {
  return {
    text: (path) => files[path]?.trim(),
    exists: (path) => Object.keys(files).some((known) => known === path || known.startsWith(`${path}/`)),
    inode: (path) => (path in files ? Number(files[path]) : undefined),
  };
}

describe("a module is", () => {
  const folder = "/lib/modules/6.1.0";
  const files = machine({
    "/proc/modules": "macvlan 28672 1 macvtap, Live 0x0000000000000000\n",
    [`${folder}/modules.builtin`]: "kernel/net/8021q/8021q.ko\n",
    [`${folder}/modules.dep`]: "kernel/drivers/net/dummy.ko.xz:\nkernel/drivers/net/macvlan.ko.xz:\n",
  });
  test.each([
    ["macvlan", "loaded", "/proc/modules"],
    ["8021q", "built in", `${folder}/modules.builtin`],
    ["dummy", "loadable", `${folder}/modules.dep`],
    ["ipvlan", "missing", `${folder}/modules.dep`],
    // No beginning of another's name.
    ["021q", "missing", `${folder}/modules.dep`],
  ] as const)("%s: %s", (module, state, source) => {
    expect(moduleState(files, "6.1.0", module)).toEqual({ state, source });
  });

  test("here now when it is loaded or built in, and that is known of all or of none", () => {
    expect(modulesNow(files, "6.1.0", ["macvlan", "macvtap", "8021q", "dummy", "021q"])).toEqual([
      "macvlan",
      "8021q",
    ]);
    expect(modulesNow(files, "6.1.9", ["macvlan"])).toBeUndefined();
    expect(modulesNow(machine({}), "6.1.0", ["macvlan"])).toBeUndefined();
  });

  test("unknown without a folder of this kernel, unless it is loaded", () => {
    expect(moduleState(files, "6.1.9", "dummy")).toEqual({
      state: "no modules",
      source: "/lib/modules/6.1.9",
    });
    expect(moduleState(files, "6.1.9", "macvlan").state).toBe("loaded");
  });
});

describe("a process", () => {
  const status = (uid: number, capabilities: string) =>
    `Name:\tx\nUid:\t1000\t${uid}\t0\t0\nCapEff:\t${capabilities}\n`;
  test("of the host's root", () => {
    const files = machine({
      "/proc/7/status": status(0, "000001ffffffffff"),
      "/proc/7/uid_map": "         0          0 4294967295",
      "/proc/7/attr/apparmor/current": "unconfined",
      "/proc/7/ns/net": "4026531840",
    });
    expect(processFacts(files, 7)).toEqual({
      pid: 7,
      root: true,
      capabilities: ["CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN"],
      initialUserNamespace: true,
      netns: 4026531840,
    });
  });

  test("in a container: Docker's default capabilities, a profile, a user namespace", () => {
    const files = machine({
      "/proc/7/status": status(0, "00000000a80425fb"),
      "/proc/7/uid_map": "0 100000 65536",
      "/proc/7/attr/apparmor/current": "docker-default (enforce)\n",
    });
    expect(processFacts(files, 7)).toEqual({
      pid: 7,
      root: true,
      capabilities: [],
      initialUserNamespace: false,
      profile: "docker-default (enforce)",
    });
    expect(profileOf(files, 8)).toBeUndefined();
  });

  test("that nothing is known of", () => {
    expect(processFacts(machine({}), 7)).toEqual({ pid: 7, root: false, initialUserNamespace: true });
  });
});

describe("neighbour tables", () => {
  const stat = [
    "entries  allocs   destroys table_fulls",
    "000000ff 0000037b 00000355 00000002",
    "000000ff 00000386 000003a8 0000000a",
  ].join("\n");
  test("have their entries once and overflows of every CPU", () => {
    const files = machine({
      "/proc/net/stat/arp_cache": stat,
      "/proc/sys/net/ipv4/neigh/default/gc_thresh3": "1024\n",
      "/proc/net/stat/ndisc_cache": stat,
    });
    expect(neighbourTables(files)).toEqual({
      known: [
        { family: "IPv4", source: "/proc/net/stat/arp_cache", entries: 255, overflows: 12, limit: 1024 },
      ],
    });
  });

  test("are unread where there are no limits", () => {
    expect(Object.keys(neighbourTables(machine({ "/proc/net/stat/arp_cache": stat })))).toEqual(["unread"]);
  });
});

describe("the unit", () => {
  const path = "/etc/systemd/system/underlay.service";
  const systemd = { "/run/systemd/system/x": "" };
  const unitOf = (files: Readonly<Record<string, string>>) => {
    const facts: Read<unknown> = bootFacts(machine(files));
    return facts;
  };
  test("is enabled and before dockerd, or not", () => {
    const wanted = "/etc/systemd/system/multi-user.target.wants/underlay.service";
    const text = "[Unit]\nBefore=podman.service docker.service\n";
    expect(unitOf({ ...systemd, [path]: text, [wanted]: "" })).toEqual({
      known: { unit: { path, enabled: true, beforeDocker: true } },
    });
    expect(unitOf({ ...systemd, [path]: "[Unit]\n#Before=docker.service\n" })).toEqual({
      known: { unit: { path, enabled: false, beforeDocker: false } },
    });
  });

  test("is none, or of another init", () => {
    expect(unitOf(systemd)).toEqual({ known: {} });
    expect(Object.keys(unitOf({ [path]: "" }))).toEqual(["unread"]);
  });
});

test("a machine and its kernel", () => {
  const files = machine({
    "/sys/class/dmi/id/sys_vendor": "QEMU\n",
    "/sys/class/dmi/id/product_name": " \n",
    "/sys/hypervisor/type": "xen\n",
    "/proc/sys/kernel/osrelease": "6.8.0-45-generic\n",
    "/etc/os-release": 'NAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n',
  });
  expect(machineFacts(files)).toEqual({
    dmi: { sys_vendor: "QEMU" },
    hypervisor: "xen",
    release: "6.8.0-45-generic",
  });
  expect(kernelFacts(files)).toEqual({ release: "6.8.0-45-generic", distribution: "ubuntu" });
  expect(machineFacts(machine({}))).toEqual({ dmi: {}, release: "" });
});

test("of real files, what cannot be read is undefined", () => {
  expect(MACHINE_FILES.text("/proc/self/comm")).not.toBe("");
  expect(MACHINE_FILES.text("/proc/self/comm/none")).toBeUndefined();
  expect(MACHINE_FILES.text("/proc")).toBeUndefined();
  expect(MACHINE_FILES.inode("/nowhere")).toBeUndefined();
});
