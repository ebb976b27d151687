import type { DockerFacts, ProcessFacts } from "../../lib/host-facts.ts";
import type { Files } from "./read.ts";

/** `<linux/capability.h>`, as far as we need them. */
const CAPABILITIES = {
  CAP_NET_ADMIN: 12n,
  CAP_SYS_PTRACE: 19n,
  CAP_SYS_ADMIN: 21n,
} as const;

/** What a process may do: proc(5), capabilities(7), user_namespaces(7). */
export function processFacts(files: Files, pid: number): Omit<ProcessFacts, "noForeignCalls"> {
  const folder = `/proc/${pid}`;
  const status = files.text(`${folder}/status`) ?? "";
  const [, effectiveUid] = /^Uid:\s+\d+\s+(\d+)/m.exec(status) ?? [];
  const [, effective] = /^CapEff:\s*([0-9a-f]+)/m.exec(status) ?? [];
  const map = files.text(`${folder}/uid_map`)?.split(/\s+/).map(Number);
  const profile = profileOf(files, pid);
  const netns = files.inode(`${folder}/ns/net`);
  return {
    pid,
    root: effectiveUid === "0",
    ...(effective !== undefined && { capabilities: capabilitiesIn(BigInt(`0x${effective}`)) }),
    initialUserNamespace: map === undefined || (map[0] === 0 && map[1] === 0 && map[2] === 0xffff_ffff),
    ...(profile !== undefined && { profile }),
    ...(netns !== undefined && { netns }),
  };
}

function capabilitiesIn(bits: bigint): string[] {
  return Object.entries(CAPABILITIES).flatMap(([name, bit]) => ((bits >> bit) & 1n ? [name] : []));
}

/** The AppArmor profile that confines a process. Other security modules' labels are not looked at. */
export function profileOf(files: Files, pid: number): string | undefined {
  const label = files.text(`/proc/${pid}/attr/apparmor/current`);
  return label === undefined || label === "" || label === "unconfined" ? undefined : label;
}

/** Where dockerd writes its process id: from a package, and from a snap. */
const PID_FILES = ["/run/docker.pid", "/var/run/docker.pid", "/var/snap/docker/current/run/docker.pid"];

/** The process of dockerd, when a pid file names one that is dockerd. */
export function dockerdProcess(files: Files): DockerFacts["process"] {
  const pids = PID_FILES.map((path) => Number(files.text(path)));
  const pid = pids.find((candidate) => candidate > 0 && files.text(`/proc/${candidate}/comm`) === "dockerd");
  if (pid === undefined) return undefined;
  const profile = profileOf(files, pid);
  const netns = files.inode(`/proc/${pid}/ns/net`);
  return { pid, ...(profile !== undefined && { profile }), ...(netns !== undefined && { netns }) };
}
