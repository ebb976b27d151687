import modulesLoad from "../../packaging/modules-load.conf" with { type: "text" };
import networkdLink from "../../packaging/networkd.link" with { type: "text" };
import networkdNetwork from "../../packaging/networkd.network" with { type: "text" };
import networkManager from "../../packaging/networkmanager.conf" with { type: "text" };
import udevRules from "../../packaging/udev.rules" with { type: "text" };
import unit from "../../packaging/underlay.service" with { type: "text" };

/** What is installed, and where. */

export const DEFAULT_PREFIX = "/usr/local";
export const UNIT = "underlay.service";

/** The folder of the unit as it is written in `packaging`. */
const WRITTEN_FOR = `${DEFAULT_PREFIX}/bin/`;

export interface InstallFile {
  /** Absolute, on the host that it is for. */
  readonly path: string;
  /** Path in a tarball. */
  readonly packed: string;
  readonly mode: number;
  readonly text: string;
}

/** Texts that are made of the tables of the command line. */
export interface Generated {
  readonly completions: { readonly bash: string; readonly zsh: string; readonly fish: string };
  /** `underlay.8` and its text. */
  readonly manPages: Readonly<Record<string, string>>;
}

export const executablePath = (prefix: string): string => `${prefix}/bin/underlay`;

/**
 * Everything but the executable. What systemd, udev and NetworkManager read is in /etc, where all of them look whatever
 * the prefix is, and where an administrator looks first.
 */
export function installFiles(prefix: string, { completions, manPages }: Generated): readonly InstallFile[] {
  const file = (path: string, packed: string, text: string): InstallFile => ({
    path,
    packed,
    mode: 0o644,
    text,
  });
  return [
    file(`/etc/systemd/system/${UNIT}`, `systemd/${UNIT}`, unit.replaceAll(WRITTEN_FOR, `${prefix}/bin/`)),
    file("/etc/modules-load.d/underlay.conf", "modules-load.d/underlay.conf", modulesLoad),
    file("/etc/NetworkManager/conf.d/90-underlay.conf", "NetworkManager/90-underlay.conf", networkManager),
    file("/etc/systemd/network/10-underlay.network", "systemd-networkd/10-underlay.network", networkdNetwork),
    file("/etc/systemd/network/10-underlay.link", "systemd-networkd/10-underlay.link", networkdLink),
    file("/etc/udev/rules.d/90-underlay.rules", "udev/90-underlay.rules", udevRules),
    file(
      `${prefix}/share/bash-completion/completions/underlay`,
      "completions/underlay.bash",
      completions.bash,
    ),
    file(`${prefix}/share/zsh/site-functions/_underlay`, "completions/_underlay", completions.zsh),
    file(
      `${prefix}/share/fish/vendor_completions.d/underlay.fish`,
      "completions/underlay.fish",
      completions.fish,
    ),
    ...Object.entries(manPages).map(([name, text]) =>
      file(`${prefix}/share/man/man${name.split(".").at(-1)}/${name}`, `man/${name}`, text),
    ),
  ];
}
