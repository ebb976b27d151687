import { expect } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StepName } from "../../../src/engine/steps.ts";
import { type Attachment, type CniHost, type CniResult, cniHost, linkPlugins } from "../../ground/cni.ts";
import type { Box } from "./box.ts";
import { openHost } from "./host.ts";
import {
  type Given,
  MTU,
  NETS,
  type Net,
  poolsOf,
  type Row,
  type Subject,
  type Verb,
  type Wish,
} from "./subject.ts";

/** What a CNI runtime says to the built program. */
export async function cniSubject(row: Row): Promise<Subject> {
  await using undo = new AsyncDisposableStack();
  const folder = undo.adopt(mkdtempSync(join(tmpdir(), "underlay-contract-")), (path) =>
    rmSync(path, { recursive: true }),
  );
  const host = undo.use(await openHost(row.ground));
  const at = {
    folders: [linkPlugins(join(folder, "bin"), [row.type, "host-local"])],
    netns: host.netns.path,
  };
  const plugins = cniHost(at);
  const dataDir = join(folder, "networks");

  const confOf = (net: Net, { keys = {} }: Wish = {}) => {
    const { v4, v6 } = poolsOf(net);
    const routes = net === "one" ? [{ dst: "0.0.0.0/0" }, { dst: "::/0" }] : [];
    const ipam = { type: "host-local", ranges: [[v4], [v6]], routes, dataDir };
    const socket = host.ovs && { socket_file: host.ovs.socket };
    const own = { ...row.keys(net), ...keys };
    return {
      ...{ type: row.type, name: net, cniVersion: "1.1.0", mtu: MTU, ...socket, ...own },
      ipam: { ...ipam, ...Object(own["ipam"]) },
    };
  };
  const attachmentOf = (box: Box, net: Net, mac?: string): Attachment => ({
    containerId: `c${box.serial}`,
    netns: box.path(),
    ifname: NETS[net].ifname,
    ...(mac !== undefined && { args: `IgnoreUnknown=1;MAC=${mac}` }),
  });

  async function attach(box: Box, wish: Wish = {}, by: CniHost = plugins): Promise<Given> {
    const { net = "one", mac } = wish;
    const add = () => by.add(confOf(net, wish), attachmentOf(box, net, mac));
    const given = givenBy(await add(), NETS[net].ifname);
    if (!wish.again) return given;
    const second = givenBy(await add(), NETS[net].ifname);
    expect(second.addresses).toEqual(given.addresses);
    return second;
  }
  const detach = (box: Box, net: Net = "one", by: CniHost = plugins) =>
    by.del(confOf(net), attachmentOf(box, net));

  async function killed(step: StepName, verb: Verb, box: Box): Promise<void> {
    const by = cniHost({ ...at, env: { UNDERLAY_FAULT: `${step}:kill` } });
    const saying = verb === "attach" ? attach(box, {}, by) : detach(box, "one", by);
    const how = await saying.then(() => "lived", String);
    if (!how.includes("\nexit 137\n--- stdout\n\n")) throw new Error(`${step}: ${how}`);
  }

  const owned = undo.move();
  return {
    row,
    host,
    attach,
    detach,
    // Nothing is made for a network alone.
    close: async () => undefined,
    killed,
    verify: (box, { said }) =>
      plugins.check({ ...confOf("one"), prevResult: said }, attachmentOf(box, "one")),
    sweep: (living, net = "one") =>
      plugins.gc(
        confOf(net),
        living?.map((box) => attachmentOf(box, net)),
      ),
    async records() {
      const inNet = (net: Net) => (existsSync(join(dataDir, net)) ? readdirSync(join(dataDir, net)) : []);
      const nets: readonly Net[] = ["one", "two"];
      return nets.flatMap((net) => inNet(net).filter((name) => ADDRESS.test(name)));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Names of files that are reservations. */
const ADDRESS = /^[\d.]+\.\d+$|:/;

function givenBy(said: CniResult, ifname: string): Given {
  const inside = said.interfaces?.find(({ name, sandbox }) => name === ifname && sandbox);
  return { addresses: said.ips?.map(({ address }) => address) ?? [], mac: String(inside?.mac), said };
}
