import { systemClock } from "../../src/lib/clock.ts";
import type { Log } from "../../src/lib/log.ts";
import { cookieOf } from "../../src/links/ovs/security/cookie.ts";
import type { SecuredPort } from "../../src/links/ovs/security/flows.ts";
import { BridgeGuard, type GuardedPort } from "../../src/links/ovs/security/guard.ts";
import { type OpenFlowSwitch, openSwitch } from "../../src/openflow/switch.ts";
import type { Age } from "../ground/engines.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import { ip } from "./frames.ts";
import { ME } from "./ovs-security-frames.ts";
import { type Lane, makeStation, openLane, type Station } from "./ovs-stations.ts";

/** A bridge with three stations, of which a guard is to secure the first. */
export interface Scene {
  readonly ovs: Switch;
  readonly stations: readonly [Station, Station, Station];
  /** From the first to the second. */
  readonly lane: Lane;
  readonly guard: BridgeGuard;
  /** What the guard has said. */
  readonly said: string[];
  /** The first as it is to be secured. */
  readonly secured: GuardedPort & SecuredPort;
  open(): Promise<OpenFlowSwitch>;
  /** All flows, as ovs-ofctl prints them, sorted. */
  dump(): Promise<string[]>;
  /** Those of ours. */
  ours(): Promise<string[]>;
  /** When the datapath remembers nothing of former flows: it lets go of it some milliseconds after they changed. */
  forgotten(): Promise<string>;
}

export async function startScene(age: Age, things: AsyncDisposableStack): Promise<Scene> {
  const ovs = things.use(await startSwitch({ age }));
  await ovs.vsctl("add-br", "br0", "--", "set", "Bridge", "br0", "datapath_type=netdev");
  const station = async (n: number) => {
    const made = things.use(await makeStation(ovs, n));
    await ovs.vsctl(
      ...["add-port", "br0", made.port, "--"],
      ...["set", "Interface", made.port, `ofport_request=${n}`],
    );
    return made;
  };
  const stations = [await station(1), await station(2), await station(3)] as const;
  const open = () => openSwitch(`${ovs.rundir}/br0.mgmt`, { bridge: "br0", clock: systemClock });
  const said: string[] = [];
  const log: Log = (level, message) => said.push(`${level} ${message}`);
  const dump = async () =>
    (await ovs.ofctl("--no-stats", "dump-flows", "br0"))
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line.includes("actions="))
      .sort();
  return {
    ovs,
    stations,
    lane: things.use(openLane(stations[0], stations[1])),
    guard: things.use(new BridgeGuard({ bridge: "br0", open, clock: systemClock, log })),
    said,
    secured: {
      name: "st1",
      ofport: 1,
      mac: ME,
      addresses: [ip("10.7.0.1"), ip("fd00:7::1")],
      cookie: cookieOf(`live:${process.pid}`),
    },
    open,
    dump,
    ours: async () => (await dump()).filter((line) => line.includes("cookie=0x756e64")),
    forgotten: () => ovs.appctl("revalidator/wait"),
  };
}
