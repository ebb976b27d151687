import type { LinkFacts, ProbeFacts } from "./facts.ts";
import type { ForwardFacts } from "./forward-facts.ts";
import type { SwitchFacts } from "./switch-facts.ts";

/**
 * What was read about the machine, its kernel and its Docker: for `doctor`. Gathered by `links/host` and
 * `docker/host-facts`, judged by `conditions`. What could not be read says why, so that a check can be skipped in words.
 */

export type Read<T> = { readonly known: T } | { readonly unread: string };

export interface HostFacts {
  readonly kernel: KernelFacts;
  readonly kinds: readonly KindFacts[];
  readonly machine: MachineFacts;
  readonly process: ProcessFacts;
  readonly docker: DockerFacts;
  readonly boot: Read<BootFacts>;
  readonly neighbours: Read<readonly NeighbourTable[]>;
  /** The links that are looked at as parents. */
  readonly parents: readonly LinkFacts[];
  /** Of those parents by which frames were sent. */
  readonly probes?: readonly ProbeFacts[];
  /** Absent: there is no Open vSwitch, and no network is on one. */
  readonly ovs?: SwitchFacts;
  /** Absent: this host is the gateway of no network. */
  readonly forward?: Read<ForwardFacts>;
}

export interface KernelFacts {
  /** uname -r. */
  readonly release: string;
  /** ID of os-release(5), `debian`; empty when unknown. */
  readonly distribution: string;
}

/** Where a kernel module is, as files tell. Only a try to make a link is proof. */
export type ModuleState = "built in" | "loaded" | "loadable" | "missing" | "no modules";

/** A link kind that networks need. */
export interface KindFacts {
  /** IFLA_INFO_KIND: `vlan`. */
  readonly kind: string;
  /** `8021q`. */
  readonly module: string;
  readonly state: ModuleState;
  /** The file that told the state, or was asked in vain. */
  readonly source: string;
  /** Whether the kernel knows the kind, after it had the chance to load the module; else what it said. */
  readonly tried: Read<{ readonly errno?: string; readonly text?: string }>;
}

export interface MachineFacts {
  /** Files of /sys/class/dmi/id that may be read, by name: `sys_vendor`. */
  readonly dmi: Readonly<Record<string, string>>;
  /** /sys/hypervisor/type: `xen`. */
  readonly hypervisor?: string;
  /** /proc/sys/kernel/osrelease. */
  readonly release: string;
}

export interface ProcessFacts {
  readonly pid: number;
  readonly root: boolean;
  /** Names of what is in CapEff of /proc/PID/status; absent when that cannot be read. */
  readonly capabilities?: readonly string[];
  /** Whether /proc/PID/uid_map is the identity over all ids. */
  readonly initialUserNamespace: boolean;
  /** AppArmor profile; absent when not confined. */
  readonly profile?: string;
  /** Inode of the network namespace. */
  readonly netns?: number;
  /** Why libc cannot be called; absent when it can. */
  readonly noForeignCalls?: string;
}

export interface DockerFacts {
  readonly socket: string;
  /** Whether somebody answers there. */
  readonly dockerd: Read<DockerdFacts>;
  /** Its process, when a pid file names one. */
  readonly process?: Pick<ProcessFacts, "pid" | "profile" | "netns">;
  readonly drivers: readonly DriverFacts[];
  /** Networks of ours that were made through Docker. */
  readonly networks: number;
}

export interface DockerdFacts {
  readonly rootless: boolean;
  /** `Docker Desktop`, `Debian GNU/Linux 12`. */
  readonly system: string;
  /** Managed plugins (`docker plugin install`) whose name has "underlay" in it. */
  readonly plugins: readonly { readonly name: string; readonly enabled: boolean }[];
}

/** A driver name and the socket by which Docker finds it. */
export interface DriverFacts {
  readonly name: string;
  readonly socket: string;
  readonly state: "served" | "stale" | "absent" | "out of reach";
  /** A spec file of that name, which Docker reads when there is no socket. */
  readonly spec?: string;
}

export interface BootFacts {
  readonly unit?: {
    readonly path: string;
    readonly enabled: boolean;
    readonly beforeDocker: boolean;
  };
}

/** One of the kernel's neighbour tables, which all network namespaces share. */
export interface NeighbourTable {
  /** `IPv4`, `IPv6`. */
  readonly family: string;
  readonly source: string;
  readonly entries: number;
  /** Entries refused since boot because the table was full. */
  readonly overflows: number;
  /** gc_thresh3. */
  readonly limit: number;
}
