import type { ProcessFacts } from "../../lib/host-facts.ts";
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
