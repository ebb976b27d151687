import { expect } from "bun:test";
import { join } from "node:path";
import * as v from "valibot";
import { SCHEMAS } from "../../../src/daemon/api.ts";
import type { StepName } from "../../../src/engine/steps.ts";
import { type DockerCall, done, idOf, speakingTo } from "../docker-calls.ts";
import { type Answer, type LoneDaemon, startLoneDaemon } from "../lone-daemon.ts";
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

/** What dockerd says to the daemon about networks and containers, and what it does of its own meanwhile: it moves links. */
export async function dockerSubject(row: Row): Promise<Subject> {
  await using undo = new AsyncDisposableStack();
  const lone = undo.use(await startLoneDaemon());
  await lone.stop();
  const host = undo.use(await openHost(row.ground, lone.netns));
  const daemon = speakingTo(lone, row.type);
  const flags = host.ovs ? [`--ovsdb=unix:${host.ovs.socket}`] : [];
  await daemon.start({ flags });
  const say = (calls: readonly DockerCall[]) => sayAll(daemon, calls);
  /** Names on the host of links that were moved. */
  const moved = new Map<string, string>();
  const keyOf = (box: Box, net: Net) => `${box.serial} ${net}`;

  function giveBack(box: Box, net: Net): void {
    const name = moved.get(keyOf(box, net));
    const { ifname } = NETS[net];
    moved.delete(keyOf(box, net));
    if (name === undefined || !box.links().includes(ifname)) return;
    box.ip(`link set ${ifname} down`);
    box.ip(`link set ${ifname} name ${name}`);
    box.ip(`link set ${name} netns ${daemon.pidOfNetns}`);
  }

  async function attach(box: Box, wish: Wish = {}): Promise<Given> {
    const { net = "one", inPlaceOf } = wish;
    if (inPlaceOf) giveBack(inPlaceOf, net);
    const calls = [networkCall(row, net, wish), ...endpointCalls(row, box, net, wish)];
    const said = await say(calls);
    if (wish.again) expect(await say([...calls, ...calls])).toEqual([...said, ...said]);
    const [, created, joined] = said;
    const name = String(textIn(joined, "SrcName"));
    host.ip(`link set ${name} netns ${box.path()}`);
    moved.set(keyOf(box, net), name);
    const { ifname } = NETS[net];
    const addresses = addressesFor(net, inPlaceOf ?? box);
    box.ip(`link set ${name} name ${ifname} up`);
    box.ip(`address add ${addresses[0]} dev ${ifname}`);
    box.ip(`address add ${addresses[1]} dev ${ifname} nodad`);
    return { addresses, mac: wish.mac ?? String(textIn(created, "MacAddress")) };
  }

  async function detach(box: Box, net: Net = "one"): Promise<void> {
    const ids = idsOf(box, net);
    await say([["Leave", ids]]);
    giveBack(box, net);
    await say([["DeleteEndpoint", ids]]);
  }

  const close = async (net: Net = "one") => {
    await say([["DeleteNetwork", { NetworkID: NETWORK_IDS[net] }]]);
  };

  async function restart(env: Readonly<Record<string, string>> = {}): Promise<void> {
    await daemon.kill9();
    await daemon.start({ flags, env });
  }

  async function killed(step: StepName, verb: Verb, box: Box): Promise<void> {
    await restart({ UNDERLAY_FAULT: `${step}:kill` });
    // At Leave it is asked whether anybody lives in there.
    if (verb === "detach") await box.end();
    const saying = { attach, detach, close: () => close() }[verb](box);
    const lived = await saying.then(
      () => true,
      () => false,
    );
    if (lived) throw new Error(`${step} was not reached`);
    const end = await daemon.ended();
    if (end !== "SIGKILL") throw new Error(`${step}: the daemon ended with ${end}`);
    await daemon.start({ flags });
  }

  const owned = undo.move();
  return {
    row,
    host,
    attach,
    detach,
    close,
    killed,
    verify: async () => undefined,
    restart,
    async records() {
      const [status, gc] = await Promise.all([
        answerOf(lone, "v1/status"),
        answerOf(lone, "v1/gc", { dry_run: true, ask_docker: false }),
      ]);
      const { networks, endpoints, parents, findings } = v.parse(SCHEMAS["underlay.status/v1"], status);
      const { actions } = v.parse(SCHEMAS["underlay.gc/v1"], gc);
      return [{ networks, endpoints }, ...parents, ...findings, ...actions].map((each) =>
        JSON.stringify(each),
      );
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const NETWORK_IDS: Readonly<Record<Net, string>> = { one: idOf(1), two: idOf(2) };

const idsOf = (box: Box, net: Net) => ({
  NetworkID: NETWORK_IDS[net],
  EndpointID: idOf(box.serial * 16 + (net === "one" ? 1 : 2)),
});

function networkCall(row: Row, net: Net, { keys = {} }: Wish): DockerCall {
  const { v4, v6 } = poolsOf(net);
  const options = { "com.docker.network.driver.mtu": `${MTU}`, ...row.keys(net), ...keys };
  const message = {
    NetworkID: NETWORK_IDS[net],
    Options: { "com.docker.network.enable_ipv6": true, "com.docker.network.generic": options },
    IPv4Data: [{ AddressSpace: "LocalDefault", Pool: v4.subnet, Gateway: `${v4.gateway}/24` }],
    IPv6Data: [{ AddressSpace: "LocalDefault", Pool: v6.subnet, Gateway: `${v6.gateway}/64` }],
  };
  return ["CreateNetwork", message];
}

function endpointCalls(
  row: Row,
  box: Box,
  net: Net,
  { mac = "", inPlaceOf = box }: Wish,
): readonly DockerCall[] {
  const ids = idsOf(box, net);
  const [Address, AddressIPv6] = addressesFor(net, inPlaceOf);
  const HostPort = 8000 + inPlaceOf.serial;
  const port = { Proto: 6, IP: "", Port: 80, HostIP: "", HostPort, HostPortEnd: HostPort };
  const published = row.publishes && net === "one";
  const Options = published ? { "com.docker.network.portmap": [port] } : {};
  return [
    ["CreateEndpoint", { ...ids, Interface: { Address, AddressIPv6, MacAddress: mac }, Options }],
    ["Join", { ...ids, SandboxKey: box.path(), Options: {} }],
  ];
}

/** One after the other; all have to succeed. */
async function sayAll(daemon: LoneDaemon, calls: readonly DockerCall[]): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (const call of calls) answers.push(await done(daemon, call));
  return answers;
}

const textIn = (answer: Answer | undefined, key: string) =>
  new RegExp(`"${key}":"([^"]*)"`).exec(JSON.stringify(answer?.body ?? {}))?.[1];

/** Of the admin API; a command line takes ten times as long. */
async function answerOf({ runDir }: LoneDaemon, path: string, message?: object): Promise<unknown> {
  const said = message && { method: "POST", body: JSON.stringify(message) };
  const response = await fetch(`http://underlay/${path}`, {
    ...said,
    unix: join(runDir, "underlay.sock"),
    keepalive: false,
  });
  return response.json();
}
