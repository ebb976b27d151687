import { expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StepName } from "../../../src/engine/steps.ts";
import { attaching, created } from "../../../src/netavark/messages.fixture.ts";
import { netavarkHost } from "../../ground/netavark.ts";
import type { Box } from "./box.ts";
import { openHost } from "./host.ts";
import {
  addressesFor,
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

/** What podman and netavark say to the built program. */
export async function netavarkSubject(row: Row): Promise<Subject> {
  await using undo = new AsyncDisposableStack();
  const folder = undo.adopt(mkdtempSync(join(tmpdir(), "underlay-contract-")), (path) =>
    rmSync(path, { recursive: true }),
  );
  const host = undo.use(await openHost(row.ground));
  const plugin = netavarkHost(join(folder, "bin"), host.netns.path);

  const networkOf = (net: Net, { keys = {} }: Wish) => {
    const { v4, v6 } = poolsOf(net);
    const options = { mtu: `${MTU}`, ...row.keys(net), ...keys };
    return { id: net, name: net, driver: row.type, subnets: [v4, v6], options };
  };
  const messageOf = (box: Box, net: Net, wish: Wish = {}) => {
    const options = {
      interface_name: NETS[net].ifname,
      static_ips: addressesFor(net, wish.inPlaceOf ?? box).map((address) => address.replace(/\/.*/, "")),
      static_mac: wish.mac ?? null,
      // Two routes to one place differ by it.
      options: net === "one" ? null : { metric: "50" },
    };
    return attaching(networkOf(net, wish), options, { container_id: `c${box.serial}` });
  };

  async function attach(box: Box, wish: Wish = {}): Promise<Given> {
    const { net = "one" } = wish;
    await plugin.create(row.type, created(networkOf(net, wish)));
    const setup = () => plugin.setup(row.type, box.path(), messageOf(box, net, wish));
    const said = await setup();
    if (wish.again) expect(await setup()).toEqual(said);
    const link = said.interfaces[NETS[net].ifname];
    return {
      addresses: link?.subnets.map(({ ipnet }) => ipnet) ?? [],
      mac: String(link?.mac_address),
    };
  }

  async function killed(step: StepName, verb: Verb, box: Box): Promise<void> {
    const env = { UNDERLAY_FAULT: `${step}:kill` };
    const said = verb === "attach" ? "setup" : "teardown";
    const { code, stdout } = await plugin.raw(
      row.type,
      [said, box.path()],
      JSON.stringify(messageOf(box, "one")),
      env,
    );
    if (code !== 128 + 9 || stdout !== "") throw new Error(`${step}: exit ${code}, ${stdout}`);
  }

  const owned = undo.move();
  return {
    row,
    host,
    attach,
    detach: (box, net = "one") => plugin.teardown(row.type, box.path(), messageOf(box, net)),
    close: async () => undefined,
    killed,
    verify: async () => undefined,
    // What podman writes down is podman's.
    records: async () => [],
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
