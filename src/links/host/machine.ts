import type { KernelFacts, MachineFacts } from "../../lib/host-facts.ts";
import type { Files } from "./read.ts";

/** Those that ds-identify of cloud-init goes by as well. */
const DMI = [
  "sys_vendor",
  "product_name",
  "product_serial",
  "product_uuid",
  "chassis_asset_tag",
  "bios_vendor",
] as const;

/** What the machine says it is. A virtual one may say nothing, and then nothing is known. */
export function machineFacts(files: Files): MachineFacts {
  const dmi = DMI.flatMap((name) => {
    const value = files.text(`/sys/class/dmi/id/${name}`);
    return value === undefined || value === "" ? [] : [[name, value]];
  });
  const hypervisor = files.text("/sys/hypervisor/type");
  return {
    dmi: Object.fromEntries(dmi),
    ...(hypervisor !== undefined && { hypervisor }),
    release: kernelRelease(files),
  };
}

export function kernelFacts(files: Files): KernelFacts {
  const [, distribution = ""] = /^ID="?([a-z0-9._-]+)"?$/m.exec(files.text("/etc/os-release") ?? "") ?? [];
  return { release: kernelRelease(files), distribution };
}

function kernelRelease(files: Files): string {
  return files.text("/proc/sys/kernel/osrelease") ?? "";
}
