import type { HostFacts } from "../lib/host-facts.ts";
import { FORWARD_CASES } from "./forward.fixture.ts";
import { docker, dockerd, host, kind, missingKind, processFacts } from "./host.fixture.ts";
import { cidr, link } from "./judged.fixture.ts";
import { SWITCH_CASES } from "./switches.fixture.ts";

/** Hosts in which a condition holds, with its message; near misses; and hosts that do not tell. */
export interface HostCases {
  readonly holds: readonly { readonly host: HostFacts; readonly message: string }[];
  readonly not: readonly HostFacts[];
  readonly skipped?: readonly HostFacts[];
}

const says = (dmi: Readonly<Record<string, string>>, release = "6.1.0") =>
  host({ machine: { dmi, release } });
const silent = host({ machine: { dmi: {}, release: "6.1.0" } });
const xen = host({ machine: { dmi: {}, hypervisor: "xen", release: "6.1.0" } });
const kvm = { sys_vendor: "QEMU", product_name: "Standard PC (Q35 + ICH9, 2009)" };
const azure = {
  sys_vendor: "Microsoft Corporation",
  product_name: "Virtual Machine",
  chassis_asset_tag: "7783-7084-3265-9085-8269-3286-77",
};
const cloud = (name: string) =>
  `${name} delivers only to the MAC addresses it knows: containers are not heard`;

const table = (entries: number, overflows = 0) =>
  host({ neighbours: { known: [{ family: "IPv6", source: "/proc/x", entries, overflows, limit: 1000 }] } });
const driver = (state: "stale" | "absent" | "out of reach", networks: number) =>
  host({
    docker: docker({ networks, drivers: [{ name: "underlay-macvlan", socket: "/run/x.sock", state }] }),
  });
const unit = (enabled: boolean, beforeDocker: boolean) =>
  host({
    boot: { known: { unit: { path: "/etc/systemd/system/underlay.service", enabled, beforeDocker } } },
  });
const plugin = (enabled: boolean) =>
  host({ docker: docker({ dockerd: dockerd({ plugins: [{ name: "me/underlay:1", enabled }] }) }) });
const unread = { unread: "dockerd does not answer at /run/docker.sock (ENOENT)" };

export const HOST_CASES: Readonly<Record<string, HostCases>> = {
  ...SWITCH_CASES,
  ...FORWARD_CASES,
  "UL-K01": {
    holds: [
      ...(["missing", "loadable", "no modules"] as const).map((state) => ({
        host: host({ kinds: [missingKind("macvlan", "macvlan", state)] }),
        message: "this kernel cannot make macvlan links",
      })),
      {
        host: host({ kinds: [kind(), missingKind("vlan", "8021q"), missingKind("dummy", "dummy")] }),
        message: "this kernel cannot make vlan, dummy links",
      },
    ],
    not: [host(), host({ kinds: [kind({ state: "no modules" })] })],
    skipped: [
      host({ kinds: [kind({ tried: { unread: "run as root" } })] }),
      host({ kinds: [], process: processFacts({ noForeignCalls: "no JIT" }) }),
    ],
  },
  "UL-K06": {
    holds: [
      {
        host: host({ process: processFacts({ initialUserNamespace: false }) }),
        message: "this is a user namespace (rootless): it has no NIC of the LAN",
      },
      {
        host: host({ docker: docker({ dockerd: dockerd({ rootless: true }) }) }),
        message: "dockerd is rootless: its network namespace has no NIC of the LAN",
      },
      {
        host: host({ docker: docker({ process: { pid: 99, netns: 7 } }) }),
        message: "dockerd runs in another network namespace than this program",
      },
    ],
    not: [host(), host({ docker: docker({ dockerd: unread }) })],
  },
  "UL-K07": {
    holds: [
      {
        host: host({ process: processFacts({ capabilities: ["CAP_NET_ADMIN"] }) }),
        message: "root lacks CAP_SYS_ADMIN, CAP_SYS_PTRACE",
      },
    ],
    not: [host()],
    skipped: [
      host({ process: processFacts({ root: false, capabilities: [] }) }),
      host({ process: { pid: 1, root: true, initialUserNamespace: true } }),
    ],
  },
  "UL-K09": {
    holds: [
      {
        host: host({ process: processFacts({ noForeignCalls: "this program needs a JIT compiler" }) }),
        message: "nothing can be asked of the kernel: the C library cannot be called",
      },
    ],
    not: [host()],
  },
  "UL-M06": {
    holds: [
      {
        host: host({ docker: docker({ process: { pid: 99, profile: "snap.docker.dockerd (enforce)" } }) }),
        message: "dockerd is a snap: it does not look for drivers in /run/docker/plugins",
      },
      {
        host: host({ process: processFacts({ profile: "underlay (enforce)" }) }),
        message: "an AppArmor profile confines this program",
      },
    ],
    not: [host(), host({ docker: docker({ process: { pid: 99, profile: "dockerd (enforce)" } }) })],
  },
  "UL-S01": {
    holds: [
      { host: table(1000), message: "the IPv6 neighbour table is full: it holds 1000 and no more" },
      { host: table(700), message: "the IPv6 neighbour table, which holds 1000, is nearly full" },
      {
        host: table(3, 9),
        message: "the IPv6 neighbour table, which holds 1000, was full since boot",
      },
    ],
    not: [host(), table(699)],
    skipped: [host({ neighbours: { unread: "not the initial network namespace" } })],
  },
  "UL-I14": {
    holds: [
      {
        host: host({ parents: [link()] }),
        message: "this host and containers on eth0 do not reach each other: kernel design",
      },
    ],
    not: [host(), host({ parents: [link({ addresses: [cidr("fe80::1/64")] })] })],
  },
  "UL-R01": {
    holds: [
      {
        host: driver("absent", 1),
        message: "Docker does not find underlay-macvlan: its daemon is not running",
      },
      ...[{ known: {} }, { unread: "this system was not started by systemd" }].map((boot) => ({
        host: { ...driver("absent", 0), boot, docker: { ...driver("absent", 0).docker, dockerd: unread } },
        message: "Docker does not find underlay-macvlan: its daemon is not running",
      })),
      {
        host: driver("stale", 0),
        message: "Docker does not find underlay-macvlan: its daemon is not running",
      },
    ],
    not: [host()],
    skipped: [driver("out of reach", 1)],
  },
  "UL-R02": {
    holds: [
      {
        host: plugin(true),
        message: "the managed plugin me/underlay:1 is a driver only under its full name",
      },
      { host: plugin(false), message: "the managed plugin me/underlay:1 is installed and disabled" },
    ],
    not: [host()],
    skipped: [host({ docker: docker({ dockerd: unread }) })],
  },
  "UL-R03": {
    holds: [
      {
        host: host({ boot: { known: {} } }),
        message: "after the next boot dockerd starts without the driver: no unit starts it",
      },
      {
        host: unit(false, true),
        message: "after the next boot dockerd starts without the driver: its unit is not enabled",
      },
      {
        host: unit(true, false),
        message:
          "after the next boot dockerd starts without the driver: its unit is not ordered before docker.service",
      },
    ],
    not: [host()],
    skipped: [
      host({ boot: { unread: "this system was not started by systemd" } }),
      host({ boot: { known: {} }, docker: docker({ networks: 0, dockerd: unread }) }),
    ],
  },
  "UL-H01": {
    holds: [
      {
        host: says({ sys_vendor: "VMware, Inc.", product_name: "VMware7,1" }),
        message: "VMware drops frames of containers unless the port group accepts forged transmits",
      },
    ],
    not: [host(), says(kvm)],
    skipped: [silent],
  },
  "UL-H02": {
    holds: [
      {
        host: says({ sys_vendor: "innotek GmbH", product_name: "VirtualBox" }),
        message: "VirtualBox drops frames for containers unless promiscuous mode is: allow all",
      },
    ],
    not: [host(), says(kvm)],
    skipped: [silent],
  },
  "UL-H03": {
    holds: [
      {
        host: says({ sys_vendor: "Microsoft Corporation", product_name: "Virtual Machine" }),
        message: "Hyper-V drops frames of containers unless MAC address spoofing is on",
      },
    ],
    // Azure is Hyper-V too, and WSL.
    not: [host(), says(azure), says({ product_name: "Virtual Machine" }, "6.6.87-microsoft-standard-WSL2")],
    skipped: [silent],
  },
  "UL-H04": {
    holds: [
      {
        host: says(kvm),
        message: "a KVM host may filter MAC addresses: macvtap NICs and Proxmox's firewall do",
      },
    ],
    not: [host(), says({ ...kvm, product_name: "OpenStack Nova" })],
    skipped: [silent],
  },
  "UL-H05": {
    holds: [
      { host: says({ sys_vendor: "Amazon EC2", product_name: "m7g.large" }), message: cloud("Amazon EC2") },
      { host: says({ product_uuid: "EC2E1916-9099" }), message: cloud("Amazon EC2") },
      { host: says({ product_name: "Google Compute Engine" }), message: cloud("Google Cloud") },
      { host: says(azure), message: cloud("Azure") },
      {
        host: says({ sys_vendor: "QEMU", chassis_asset_tag: "OracleCloud.com" }),
        message: cloud("Oracle Cloud"),
      },
      { host: says({ sys_vendor: "Hetzner", product_name: "vServer" }), message: cloud("Hetzner Cloud") },
    ],
    not: [host(), says(kvm), says({ sys_vendor: "Amazon EC2 lookalike" })],
    skipped: [silent],
  },
  "UL-H06": {
    holds: [
      {
        host: says({ sys_vendor: "QEMU", product_name: "OpenStack Nova" }),
        message: "OpenStack may filter MAC addresses: containers are heard only if the port allows them",
      },
      {
        host: xen,
        message: "Xen may filter MAC addresses: containers are heard only if the port allows them",
      },
    ],
    not: [host(), says(kvm)],
    skipped: [silent],
  },
  "UL-H07": {
    holds: [
      {
        host: says({}, "6.6.87.2-microsoft-standard-WSL2"),
        message: "the parent is inside a virtual machine of WSL or Docker Desktop, not on the LAN",
      },
      {
        host: host({ docker: docker({ dockerd: dockerd({ system: "Docker Desktop" }) }) }),
        message: "the parent is inside a virtual machine of WSL or Docker Desktop, not on the LAN",
      },
    ],
    not: [host(), says(kvm)],
  },
};
