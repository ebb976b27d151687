import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Change, Place } from "./install.ts";

/**
 * Who reads what is installed, and not before it is told or started again. udev and systemd look at their folders
 * themselves. They are not told by us: what else was changed in their folders, and by whom, is not known here.
 */
const READERS = [
  {
    folder: "/etc/NetworkManager/",
    name: "NetworkManager",
    trace: "/run/NetworkManager",
    command: "nmcli general reload conf",
  },
  {
    folder: "/etc/systemd/network/",
    name: "systemd-networkd",
    trace: "/run/systemd/netif/state",
    command: "networkctl reload",
  },
] as const;

/** Managers of links that run here and do not know yet what was changed, each with the command that tells it. */
export function unawareReaders(
  { root }: Place,
  changes: readonly Change[],
): readonly { readonly name: string; readonly command: string }[] {
  return READERS.filter(
    ({ folder, trace }) =>
      changes.some(({ what, path }) => what !== "unchanged" && path.startsWith(folder)) &&
      existsSync(join(root, trace)),
  );
}
