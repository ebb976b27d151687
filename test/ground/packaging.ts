import { resolve } from "node:path";
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
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The program as it is built, on every private host. */
export const BUILT = "/opt/underlay/underlay";

/** A private host without Docker. */
export async function startPackagingHost(): Promise<PrivateHost> {
  const script = resolve(import.meta.dir, "../../tools/debian-root.sh");
  const root = await must([script, "tools-trixie", "trixie", PACKAGES.join(",")], { timeoutMs: 600_000 });
  return startHost({ engine: { age: "oldest", root, path: PATH, version: "none" } });
}
