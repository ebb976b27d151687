import { beforeAll, expect, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { BUILT, startBootingHost } from "../ground/packaging.ts";
import { ROUTER } from "../ground/scene.ts";
import { type Booted, bootSystemd } from "../ground/systemd.ts";
import { until } from "../ground/until.ts";

/**
 * What is installed for NetworkManager, systemd-networkd and udev, read by those of Debian 13. Links are macvlans in the
 * host's namespace, where ours are for a moment before a container gets them.
 */

const things = disposedAfterAll();
const INSTALLED = "/usr/local/bin/underlay";
const BEFORE = "ul-aaaaaaaaaaaa";
const AFTER = "ul-bbbbbbbbbbbb";
/** The host's own link on a parent, a dummy that is a parent, and a VLAN whose name is too long. */
const OTHERS = ["ulh-bbbbbbbbbbb", "uld-bbbbbbbbbbb", "ulp-bbbbbbbbbbb"];
const GONE = "ul-cccccccccccc";
let booted: Booted;

beforeAll(async () => {
  const host = things.use(await startBootingHost([`${ROUTER.v4}/24`]));
  for (const unit of ["docker.service", "docker.socket"])
    await host.must(["ln", "-s", "/dev/null", `/etc/systemd/system/${unit}`]);
  // As images of many clouds have it.
  const everyLink = "[Match]\nType=ether\n\n[Network]\nDHCP=ipv4\n";
  await Bun.write(host.outside("/etc/systemd/network/80-all.network"), everyLink);
  booted = await bootSystemd(host, "multi-user.target");
  await booted.must("systemctl", "start", "systemd-networkd.service");
}, 600_000);

let serial = 9;
async function makeLink(name: string): Promise<void> {
  await booted.must("ip", "link", "add", name, "link", "lan0", "type", "macvlan", "mode", "bridge");
  await booted.must("ip", "link", "set", name, "up");
  await booted.must("ip", "address", "add", `10.77.0.${++serial}/24`, "dev", name);
}

/** What each manager says of a link, in its own word. */
async function managed(
  link: string,
): Promise<{ readonly nm: string | undefined; readonly networkd: string | undefined }> {
  const nm = await booted.must("nmcli", "-t", "-f", "DEVICE,STATE", "device");
  const networkd = await booted.must("networkctl", "list", "--no-pager", "--no-legend");
  const rows = networkd.split("\n").map((row) => row.trim().split(/\s+/));
  return {
    nm: nm
      .split("\n")
      .find((row) => row.startsWith(`${link}:`))
      ?.slice(link.length + 1),
    networkd: rows.find(([, name]) => name === link)?.at(-1),
  };
}

const TAKEN = { nm: "connected (externally)", networkd: "configuring" };
const LEFT_ALONE = { nm: "unmanaged", networkd: "unmanaged" };
const untilManaged = (link: string, wanted: typeof TAKEN) =>
  until(`${link} is ${wanted.nm}`, async () => Bun.deepEquals(await managed(link), wanted));

const commandsTold = (text: string) =>
  [...text.matchAll(/; now: (.*)$/gm)].map(([, command = ""]) => command);

test("without our files both take every macvlan", async () => {
  await makeLink(BEFORE);
  await untilManaged(BEFORE, TAKEN);
});

test("install tells how they hear of it at once; what it says suffices", async () => {
  const told = commandsTold(await booted.must(BUILT, "install"));
  expect(told).toEqual(["nmcli general reload conf", "networkctl reload"]);
  expect(await managed(BEFORE)).toEqual(TAKEN);
  for (const command of told) await booted.must(...command.split(" "));
  await untilManaged(BEFORE, LEFT_ALONE);
  expect(commandsTold(await booted.must(INSTALLED, "install"))).toEqual([]);
});

test("a link of ours is left alone from its birth, another one is taken as before", async () => {
  for (const name of [AFTER, ...OTHERS, "mv0"]) await makeLink(name);
  await untilManaged("mv0", TAKEN);
  for (const name of [AFTER, ...OTHERS]) expect([name, await managed(name)]).toEqual([name, LEFT_ALONE]);
  const journal = ["journalctl", "--no-pager", "-u", "NetworkManager", "-g", "state change: unmanaged"];
  const changes = await booted.must(...journal);
  expect([changes.includes("(mv0)"), changes.includes(`(${AFTER})`)]).toEqual([true, false]);
});

test("udev gives our links no other name or MAC, and hides them from NetworkManager", async () => {
  const properties = async (link: string) => {
    const { stdout, stderr } = await booted.run(["udevadm", "test", `/sys/class/net/${link}`]);
    const lines = `${stdout}${stderr}`.matchAll(/^\s+(ID_NET_LINK_FILE|NM_UNMANAGED|ID_NET_NAME)=(.*)$/gm);
    return Object.fromEntries([...lines].map(([, key, value]) => [key, value]));
  };
  expect(await properties(AFTER)).toEqual({
    ID_NET_LINK_FILE: "/etc/systemd/network/10-underlay.link",
    ID_NET_NAME: AFTER,
    NM_UNMANAGED: "1",
  });
  expect(await properties("mv0")).toMatchObject({
    ID_NET_LINK_FILE: expect.stringContaining("/99-default.link"),
  });
  expect(await properties("mv0")).not.toHaveProperty("NM_UNMANAGED");
});

test("uninstall takes all of it away again", async () => {
  await booted.must(INSTALLED, "uninstall", "-y");
  await booted.must("nmcli", "general", "reload", "conf");
  await booted.must("networkctl", "reload");
  await makeLink(GONE);
  await untilManaged(GONE, TAKEN);
});
