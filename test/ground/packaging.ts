import { resolve } from "node:path";
import type { DockerEngine } from "./engines.ts";
import { type PrivateHost, startHost } from "./host.ts";
import { must } from "./run.ts";

/**
 * The programs that judge what is installed: systemd, shells, a man page reader, an emulated old CPU. They are in a
 * private Debian root (40 s and 200 MB, once), because systemd is nothing to put on somebody's machine.
 */
const PACKAGES = [
  ...["systemd", "dbus", "zsh", "fish", "mandoc", "qemu-user"],
  ...["iproute2", "busybox-static", "procps"],
];
/**
 * A Debian as people have it, with its own Docker and its own managers of links (35 s and 390 MB, once); for what has to
 * be seen over a boot.
 */
const BOOTING = [
  ...["systemd", "dbus", "docker.io", "docker-cli", "containerd", "network-manager", "udev"],
  ...["iproute2", "iptables", "busybox-static", "procps"],
];
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The program as it is built, on every private host. */
export const BUILT = "/opt/underlay/underlay";

/** A private host without Docker. */
export async function startPackagingHost(): Promise<PrivateHost> {
  return startHost({
    engine: { age: "oldest", root: await rootOf("tools-trixie", PACKAGES), path: PATH, version: "none" },
  });
}

/** The root with systemd, Debian's Docker and NetworkManager. */
export async function findBootingSystem(): Promise<DockerEngine> {
  return { age: "newest", root: await rootOf("boot-trixie", BOOTING), path: PATH, version: "Debian 13" };
}

/** A private host with that root, to be booted. Nothing of it runs before. */
export async function startBootingHost(routerAddresses: readonly string[]): Promise<PrivateHost> {
  return startHost({ engine: await findBootingSystem(), routerAddresses });
}

function rootOf(name: string, packages: readonly string[]): Promise<string> {
  const script = resolve(import.meta.dir, "../../tools/debian-root.sh");
  return must([script, name, "trixie", packages.join(",")], { timeoutMs: 600_000 });
}
