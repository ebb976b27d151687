import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ATTACH_STEPS, PAIR_STEPS } from "../../src/engine/steps.ts";
import { attaching } from "../../src/netavark/messages.fixture.ts";
import { cniHost, linkPlugins } from "../ground/cni.ts";
import { type NetavarkHost, netavarkHost } from "../ground/netavark.ts";
import { addParent, openTestNetns, type TestNetns } from "../ground/netns.ts";
import { until } from "../ground/until.ts";

/** Containers of podman beside each other, and beside those of a CNI runtime on the same parent. */

const CONTAINERS = 10;
const ROUNDS = 4;
const AT_ONCE = 5;

let scene: DisposableStack;
let folder: string;
let host: TestNetns;
let plugin: NetavarkHost;
beforeEach(() => {
  scene = new DisposableStack();
  folder = scene.adopt(mkdtempSync(join(tmpdir(), "underlay-netavark-")), (path) =>
    rmSync(path, { recursive: true }),
  );
  host = scene.use(openTestNetns());
  addParent(host, "eth0");
  host.ip("link", "add", "br0", "type", "bridge");
  host.ip("link", "set", "br0", "up");
  plugin = netavarkHost(join(folder, "netavark"), host.path);
});
afterEach(() => scene.dispose());

const MACVLAN = { driver: "underlay-macvlan", options: { parent: "eth0" }, steps: ATTACH_STEPS };
const BRIDGE = { driver: "underlay-bridge", options: { bridge: "br0" }, steps: PAIR_STEPS };

const driverOf = (index: number) => (index % 2 === 0 ? MACVLAN : BRIDGE);

const namesIn = (netns: TestNetns) => netns.ipJson("link", "show").map((link) => String(link["ifname"]));

/** The same numbers in every run. */
function choices(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
}

test("set up and torn down in any order, many at once, some killed: in the end nothing is left", async () => {
  const pick = choices(7);
  const containers = Array.from({ length: CONTAINERS }, () => scene.use(openTestNetns()));
  const message = (index: number, options: object) =>
    JSON.stringify(
      attaching(
        { options, id: `n${index % 2}` },
        { static_ips: [`10.90.0.${10 + index}`] },
        { container_id: `c${index}` },
      ),
    );
  const call = async (index: number) => {
    const { driver, options, steps } = driverOf(index);
    const verb = pick(3) === 0 ? "teardown" : "setup";
    const fault = pick(3) === 0 ? { UNDERLAY_FAULT: `${steps[pick(steps.length)]}:kill` } : {};
    const path = containers[index]?.path ?? "";
    const { code, stdout } = await plugin.raw(driver, [verb, path], message(index, options), fault);
    if (code !== 128 + 9 && code !== 0) throw new Error(`${driver} ${verb}: ${stdout}`);
  };
  for (let round = 0; round < ROUNDS; round++)
    for (let from = 0; from < CONTAINERS; from += AT_ONCE)
      await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => call(from + i)));
  for (const [index, container] of containers.entries()) {
    const { driver, options } = driverOf(index);
    for (const verb of ["setup", "teardown"]) {
      const { code, stdout } = await plugin.raw(driver, [verb, container.path], message(index, options));
      expect({ code, stdout: verb === "setup" ? "" : stdout }).toEqual({ code: 0, stdout: "" });
      expect(namesIn(container)).toEqual(verb === "setup" ? ["lo", "eth0"] : ["lo"]);
    }
  }
  expect(namesIn(host).sort()).toEqual(["br0", "eth0", "eth0-peer", "lo"]);
});

/** Starts a process in it: a collection looks into namespaces that have one. */
async function inhabit(container: TestNetns): Promise<void> {
  const argv = ["nsenter", `--net=${container.path}`, "cat"];
  const inhabitant = Bun.spawn(argv, { stdin: "pipe", stdout: "ignore" });
  scene.defer(() => void inhabitant.stdin.end());
  const netns = `/proc/${inhabitant.pid}/ns/net`;
  await until("the process is in the container", () => statSync(netns).ino === container.netns.inode);
}

test("a CNI runtime on the same parent collects nothing of podman's", async () => {
  const [ours, theirs] = [scene.use(openTestNetns()), scene.use(openTestNetns())];
  await inhabit(ours);
  await inhabit(theirs);
  const cni = cniHost({ folders: [linkPlugins(join(folder, "cni"), ["macvlan"])], netns: host.path });
  const conf = { cniVersion: "1.1.0", name: "lan", type: "macvlan", master: "eth0", ipam: {} };
  await plugin.setup("underlay-macvlan", ours.path, attaching());
  await cni.add(conf, { containerId: "c1", netns: theirs.path, ifname: "eth0" });
  await cni.gc(conf, []);
  expect([namesIn(ours), namesIn(theirs)]).toEqual([["lo", "eth0"], ["lo"]]);
});
