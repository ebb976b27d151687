import * as v from "valibot";
import { UnderlayError } from "../../lib/errors.ts";
import { type Dockerd, DockerNetwork, type NetworkToCreate } from "../dockerd.ts";
import type { Entry, Journal } from "./journal.ts";

/** A dockerd in memory that can fail, or never answer, before or after it did what it was asked. */

export type Call = "remove" | "create ours" | "create old";
export type Fault = {
  readonly call: Call;
  readonly when: "before" | "after";
  readonly how: "error" | "silence";
};

export interface FakeDockerd extends Dockerd {
  readonly calls: readonly Call[];
  /** Resolves when it has fallen silent. */
  readonly silent: Promise<void>;
  /** What it has, without ids. */
  has(): readonly object[];
}

export function fakeDockerd(
  networks: readonly object[],
  faults: readonly Fault[] = [],
  used: boolean = false,
): FakeDockerd {
  const calls: Call[] = [];
  const silent = Promise.withResolvers<void>();
  const all = networks.map((each) => v.parse(DockerNetwork, each));

  async function act(call: Call, effect: () => void): Promise<void> {
    calls.push(call);
    const fault = faults.find((each) => each.call === call);
    if (fault?.when === "before") return await suffer(fault);
    effect();
    if (fault?.when === "after") await suffer(fault);
  }

  async function suffer({ call, how }: Fault): Promise<void> {
    if (how === "error") throw new UnderlayError("refused", `no ${call}`);
    silent.resolve();
    await new Promise(() => undefined);
  }

  return {
    calls,
    silent: silent.promise,
    has: () => all.map(({ Id: _, ...rest }) => rest),
    networks: async () => [...all],
    containers: async () =>
      used
        ? [
            v.parse(v.any(), {
              Id: "c1",
              HostConfig: {},
              NetworkSettings: { Networks: { lan: on("id-of-lan") } },
            }),
          ]
        : [],
    container: async (id) =>
      v.parse(v.any(), {
        ...{ Id: id, Name: "/web", State: { Status: "exited" }, Config: { MacAddress: "" }, HostConfig: {} },
        NetworkSettings: { Networks: { lan: on("id-of-lan") } },
      }),
    createNetwork: (body: NetworkToCreate) =>
      act(body.Driver === "macvlan" ? "create old" : "create ours", () => {
        if (all.some(({ Name }) => Name === body.Name))
          throw new UnderlayError("refused", `${body.Name} already exists`);
        all.push(v.parse(DockerNetwork, { Scope: "local", ...body, Id: `new-${calls.length}` }));
      }),
    removeNetwork: (id) =>
      act("remove", () => {
        const place = all.findIndex(({ Id }) => Id === id);
        if (place >= 0) all.splice(place, 1);
      }),
  };
}

const on = (id: string) => ({
  IPAMConfig: { IPv4Address: "", IPv6Address: "", LinkLocalIPs: [] },
  ...{ Aliases: [], Links: [], DriverOpts: {}, GwPriority: 0, IPAddress: "", GlobalIPv6Address: "" },
  ...{ NetworkID: id, MacAddress: "" },
});

export function memoryJournal(): Journal & { entry(): Entry | undefined } {
  const kept: Entry[] = [];
  return {
    entry: () => kept[0],
    read: () => kept[0],
    write: (entry) => {
      kept[0] = entry;
    },
    clear: () => {
      kept.length = 0;
    },
  };
}
