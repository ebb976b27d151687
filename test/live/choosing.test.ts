import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { liveNetns } from "./netns.ts";

/** The `ip link` equivalents of docs/choosing.md are commands that `ip` and the kernel understand. */

const page = readFileSync(join(import.meta.dir, "../../docs/choosing.md"), "utf8");
const ROWS = [...page.matchAll(/^\| (.+?) \| (`ip link .+) \|$/gm)].map(([, kind = "", cell = ""]) => ({
  kind,
  commands: [...cell.matchAll(/`ip (link [^`]+)`/g)].map(([, command = ""]) => command),
}));

test("there is a row for each kind", () => {
  const kinds = ["macvlan", "ipvlan", "VLAN parent", "QinQ parent", "host-only parent", "bridge"];
  expect(ROWS.map(({ kind }) => kind)).toEqual(kinds);
});

test.each(ROWS)("$kind", ({ commands }) => {
  using host = liveNetns();
  host.ip("link add name eth0 type veth peer name cable");
  for (const command of commands) {
    try {
      host.ip(command);
    } catch (refused) {
      // Asked of the kernel in words that `ip` knows, and this kernel was built without the kind.
      expect(String(refused)).toContain("Unknown device type");
      return;
    }
  }
  const [, made] = /name (\S+)/.exec(commands.at(-1) ?? "") ?? [];
  if (made !== undefined) expect(host.show(`link show dev ${made}`)).toHaveLength(1);
});

test("a command that ip does not know would be found", () => {
  using host = liveNetns();
  host.ip("link add name eth0 type veth peer name cable");
  expect(() => host.ip("link add link eth0 name ul0 type macvlan mode bride")).toThrow("must be");
});
