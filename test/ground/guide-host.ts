import { IMAGE } from "./dockerd.ts";
import type { PrivateHost } from "./host.ts";

/** Gives a host the NIC of the guides: `eth0`, on a LAN whose router has these addresses, with prefix length. */
export async function plugInEth0(host: PrivateHost, routerAddresses: readonly string[]): Promise<void> {
  await host.unplug();
  await host.must(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "lan1", "netns", "router"]);
  await host.must(["ip", "link", "set", "eth0", "up"]);
  await host.must(["ip", "-n", "router", "link", "set", "lan1", "up"]);
  for (const address of routerAddresses) {
    const noDad = address.includes(":") ? ["nodad"] : [];
    await host.must(["ip", "-n", "router", "address", "add", address, "dev", "lan1", ...noDad]);
  }
}

/**
 * What a reader has and a private host with a dockerd has not: ping and wget in `programs`, an image `busybox` that runs a
 * shell, and Compose as a plugin of the client. `folder`: the reader's own.
 */
export async function giveReadersPrograms(
  host: PrivateHost,
  folder: string,
  programs: string,
): Promise<void> {
  await host.must(["sh", "-euc", READERS_PROGRAMS, folder, programs, IMAGE]);
}

/**
 * Compose is a plugin of the client, or a program of its own where it is older. Arguments: folder, folder of programs,
 * name of the test's image.
 */
const READERS_PROGRAMS = `
  mkdir -p "$0" "$1"
  for each in ping wget; do ln -sf "$(command -v busybox)" "$1/$each"; done
  made=$(docker create "$2" sh)
  docker commit --change 'CMD ["sh"]' "$made" busybox:latest
  docker rm "$made"
  docker compose version >/dev/null 2>&1 && exit 0
  plugin=$HOME/.docker/cli-plugins/docker-compose
  mkdir -p "$(dirname "$plugin")"
  cat >"$plugin" <<'END'
#!/bin/sh
if [ "$1" = docker-cli-plugin-metadata ]; then
  echo '{"SchemaVersion":"0.1.0","Vendor":"test","Version":"1"}'
else
  shift
  exec docker-compose "$@"
fi
END
  chmod +x "$plugin"
`;
