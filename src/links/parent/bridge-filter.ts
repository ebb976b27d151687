import { readFileSync } from "node:fs";

/** br_netfilter: Documentation/networking/ip-sysctl.rst of the kernel, `/proc/sys/net/bridge`. */

const FOLDER = "/proc/sys/net/bridge";
const HOOKS = ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables"] as const;

/**
 * Hooks that are on, as names of sysctls, in the netns of this process. None when br_netfilter is not loaded, or its
 * settings may not be read.
 */
export function bridgeFilters(folder: string = FOLDER): string[] {
  return HOOKS.filter((hook) => isOn(`${folder}/${hook}`)).map((hook) => `net.bridge.${hook}`);
}

function isOn(path: string): boolean {
  try {
    return readFileSync(path, "utf8").trim() === "1";
  } catch (error) {
    if (error instanceof Error && "code" in error) return false;
    throw error;
  }
}
