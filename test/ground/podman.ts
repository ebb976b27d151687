import { resolve } from "node:path";
import { type PrivateHost, startHost } from "./host.ts";
import { must, type Output, type RunOptions } from "./run.ts";

/** Name of the busybox image that podman has. */
export const PODMAN_IMAGE = "localhost/busybox-test:1";

/** The two ages of Podman: the last with CNI, and the newest, whose networks are netavark's. */
const AGES = {
  cni: { suite: "bookworm", packages: ["podman", "containernetworking-plugins"] },
  netavark: { suite: "sid", packages: ["podman", "netavark"] },
} as const;
export type Backend = keyof typeof AGES;

const COMMON = ["runc", "conmon", "busybox-static", "iproute2", "iptables", "nftables", "procps"];
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Podman on a private host. It has no daemon: each command is a process, and so is each network plugin. */
export interface Podman {
  /** The command has to succeed; answers its standard output. */
  podman(...args: string[]): Promise<string>;
  /** The same for a command that may fail. */
  tryPodman(args: readonly string[], options?: RunOptions): Promise<Output>;
}

/** Made when it is missing, 45 s and 250 MB. */
export async function startPodmanHost(
  backend: Backend,
  routerAddresses: readonly string[],
): Promise<PrivateHost> {
  const { suite, packages } = AGES[backend];
  const script = resolve(import.meta.dir, "../../tools/debian-root.sh");
  const root = await must([script, `podman-${suite}`, suite, [...packages, ...COMMON].join(",")], {
    timeoutMs: 600_000,
  });
  return startHost({
    engine: { age: backend === "cni" ? "oldest" : "newest", root, path: PATH, version: "none" },
    routerAddresses,
  });
}

/** What a machine of its own would not need: no systemd, no limits that we may not raise, ping without a sysctl. */
const SETTINGS = (backend: Backend) => `
[containers]
log_driver = "k8s-file"
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
default_capabilities = ["CHOWN", "DAC_OVERRIDE", "KILL", "NET_BIND_SERVICE", "NET_RAW", "SETGID", "SETUID"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "${backend}"
`;

/** Podman knows no setting for it: containers in the test's cgroup, which is removed with its host. */
const IN_OUR_CGROUP = (cgroup: string) => `#!/bin/sh
verb=$1
case $verb in run | create) shift; set -- "$verb" --cgroup-parent=${cgroup} "$@" ;; esac
PODMAN_IGNORE_CGROUPSV1_WARNING=1 exec /usr/bin/podman "$@"
`;

/** Gives podman its settings and the busybox image. */
export async function startPodman(host: PrivateHost, backend: Backend): Promise<Podman> {
  await host.must(["mkdir", "-p", "/etc/containers", "/usr/local/bin"]);
  await Bun.write(host.outside("/etc/containers/containers.conf"), SETTINGS(backend));
  await Bun.write(host.outside("/usr/local/bin/podman"), IN_OUR_CGROUP(host.cgroup));
  await host.must(["chmod", "+x", "/usr/local/bin/podman"]);
  await host.must(["sh", "-euc", IMPORT_BUSYBOX, PODMAN_IMAGE], { timeoutMs: 60_000 });
  const tryPodman = (args: readonly string[], more: RunOptions = {}) =>
    host.run(["podman", ...args], { timeoutMs: 120_000, ...more });
  return {
    tryPodman,
    async podman(...args) {
      const { code, stdout, stderr } = await tryPodman(args);
      if (code !== 0) throw new Error(`exit ${code}: podman ${args.join(" ")}\n${stderr}${stdout}`);
      return stdout.trimEnd();
    },
  };
}

const IMPORT_BUSYBOX = `
  mkdir -p /tmp/image/bin /tmp/image/etc /tmp/image/proc /tmp/image/sys /tmp/image/dev /tmp/image/tmp
  cp "$(command -v busybox)" /tmp/image/bin/busybox
  for each in sh ip ping sleep cat ls arp arping nc httpd wget nslookup grep sed kill ps true udhcpc; do
    ln -sf busybox /tmp/image/bin/$each
  done
  tar -C /tmp/image -c . | podman import - "$0"
`;
