import type { DockerdFacts, DockerFacts, HostFacts, KindFacts, ProcessFacts } from "../lib/host-facts.ts";
import type { SwitchBridge, SwitchFacts, SwitchState } from "../lib/switch-facts.ts";
import { link } from "./judged.fixture.ts";

/** A healthy host, and the pieces to break it with. */

export function kind(change: Partial<KindFacts> = {}): KindFacts {
  return {
    kind: "macvlan",
    module: "macvlan",
    state: "loaded",
    source: "/proc/modules",
    tried: { known: {} },
    ...change,
  };
}

export function missingKind(name: string, module: string, state: KindFacts["state"] = "missing"): KindFacts {
  const tried = { known: { errno: "EOPNOTSUPP", text: "Unknown device type" } };
  return kind({ kind: name, module, state, source: "/lib/modules/6.1.0/modules.dep", tried });
}

export function processFacts(change: Partial<ProcessFacts> = {}): ProcessFacts {
  return {
    pid: 4711,
    root: true,
    capabilities: ["CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN"],
    initialUserNamespace: true,
    netns: 4026531840,
    ...change,
  };
}

export function dockerd(change: Partial<DockerdFacts> = {}): DockerFacts["dockerd"] {
  return { known: { rootless: false, system: "Debian GNU/Linux 12", plugins: [], ...change } };
}

export function docker(change: Partial<DockerFacts> = {}): DockerFacts {
  const socket = "/run/docker/plugins/underlay-macvlan.sock";
  return {
    socket: "/run/docker.sock",
    dockerd: dockerd(),
    process: { pid: 99, netns: 4026531840 },
    drivers: [{ name: "underlay-macvlan", socket, state: "served" }],
    networks: 1,
    ...change,
  };
}

export function host(change: Partial<HostFacts> = {}): HostFacts {
  const path = "/etc/systemd/system/underlay.service";
  return {
    kernel: { release: "6.1.0", distribution: "debian" },
    kinds: [kind()],
    machine: { dmi: { sys_vendor: "Dell Inc.", product_name: "PowerEdge" }, release: "6.1.0" },
    process: processFacts(),
    docker: docker(),
    boot: { known: { unit: { path, enabled: true, beforeDocker: true } } },
    neighbours: {
      known: [{ family: "IPv4", source: "/proc/net/stat/arp_cache", entries: 12, overflows: 0, limit: 1024 }],
    },
    parents: [link({ addresses: [] })],
    ovs: openVswitch(),
    ...change,
  };
}

export function openVswitch(change: Partial<SwitchFacts> = {}): SwitchFacts {
  return {
    target: "unix:/run/openvswitch/db.sock",
    bridges: ["br0"],
    module: { state: "loaded", source: "/proc/modules" },
    database: switchState(),
    ...change,
  };
}

export function switchState(change: Partial<SwitchState> = {}): { readonly known: SwitchState } {
  const vswitchd = { state: "runs", source: "ovs-vswitchd.PID.ctl", value: "answers" } as const;
  return { known: { vswitchd, listeners: [], bridges: [switchBridge()], ...change } };
}

export function switchBridge(change: Partial<SwitchBridge> = {}): SwitchBridge {
  return {
    name: "br0",
    datapath: "system",
    works: true,
    isSecure: false,
    controllers: [],
    isControlled: false,
    broken: [],
    isFlat: false,
    ways: [],
    ...change,
  };
}
