import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { linkPlugins } from "../test/ground/cni.ts";
import { addParent, openTestNetns, type TestNetns } from "../test/ground/netns.ts";
import { referencePlugins } from "../test/ground/reference-cni.ts";
import { run } from "../test/ground/run.ts";
import { type Figure, median, report } from "./figures.ts";

/**
 * CNI plugins as whole processes, ours against the reference's of the newest Debian: the same netns, the same parent, call
 * by call in turns, the order reversed every second time. The clock runs from posix_spawn to waitpid in a C program.
 */

const ROUNDS = 60;
/** How many reservations are there already. */
const RESERVED = [0, 10_000, 60_000] as const;
const SAMPLES = 12;
/** Side by side, and how often. */
const AT_ONCE = 8;
const ROWS = 20;

const WHO = ["ours", "reference"] as const;
type Who = (typeof WHO)[number];

using undo = new DisposableStack();
const folder = undo.adopt(mkdtempSync(join(tmpdir(), "ul-bench-cni-")), (path) =>
  rmSync(path, { recursive: true }),
);
const plugins: Record<Who, string> = {
  ours: linkPlugins(join(folder, "ours")),
  reference: await referencePlugins(),
};
const timer = join(folder, "processes");
await Bun.$`cc -O2 -o ${timer} bench/processes.c`;

const host = undo.use(openTestNetns());
addParent(host, "lan0");

interface Call {
  readonly what: string;
  readonly who: Who;
  readonly type: string;
  readonly verb: "ADD" | "DEL" | "VERSION";
  readonly conf: string;
  readonly container?: { readonly id: string; readonly netns: TestNetns };
  /** Started with the next one; both are one measurement. */
  readonly joined?: boolean;
}

/** A line of `processes.c`. */
function lineOf({ what, who, type, verb, conf, container, joined = false }: Call): string {
  const env = {
    CNI_COMMAND: verb,
    CNI_PATH: plugins[who],
    PATH: process.env["PATH"] ?? "",
    UNDERLAY_STATE_DIR: join(folder, "state"),
    ...(container && {
      CNI_CONTAINERID: container.id,
      CNI_IFNAME: "eth0",
      CNI_NETNS: container.netns.path,
    }),
  };
  const words = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return [`${joined ? "&" : ""}${what}|${who}`, join(plugins[who], type), conf, ...words].join("\t");
}

/** What `processes.c` tells of each call or row of calls, by what it is and whose. */
interface Measured {
  /** Milliseconds. */
  times(what: string, who: Who): number[];
  /** MiB at most. */
  peaks(what: string, who: Who): number[];
}

async function measured(calls: readonly Call[]): Promise<Measured> {
  const input = `${calls.map(lineOf).join("\n")}\n`;
  const { code, stdout, stderr } = await run(["nsenter", `--net=${host.path}`, timer], {
    input,
    timeoutMs: 600_000,
  });
  if (code !== 0) throw new Error(stderr);
  const lines = Map.groupBy(
    stdout
      .trim()
      .split("\n")
      .map((line) => line.split("\t")),
    ([label]) => label,
  );
  const of = (what: string, who: Who) => lines.get(`${what}|${who}`) ?? [];
  return {
    times: (what, who) => of(what, who).map(([, took]) => Number(took) / 1000),
    peaks: (what, who) => of(what, who).map(([, , , kibibytes]) => Number(kibibytes) / 1024),
  };
}

function confFile(who: Who, name: string, more: object): string {
  const path = join(folder, `${name}-${who}.json`);
  writeFileSync(path, JSON.stringify({ cniVersion: "1.0.0", name, ...more }));
  return path;
}

const hostLocal = (who: Who, subnet: string) => ({
  type: "host-local",
  ranges: [[{ subnet }]],
  routes: [{ dst: "0.0.0.0/0" }],
  dataDir: join(folder, `data-${who}`),
});

function inTurns(round: number): readonly Who[] {
  return round % 2 === 0 ? WHO : WHO.toReversed();
}

/** ADD and DEL of one link after another, each in a netns of its own that is empty before and after. */
async function links(): Promise<Figure[]> {
  const containers = Array.from({ length: ROUNDS }, () => undo.use(openTestNetns()));
  const confsOf = (who: Who): Readonly<Record<string, string>> => ({
    "macvlan, no addresses": confFile(who, "bare", { type: "macvlan", master: "lan0", ipam: {} }),
    "macvlan, host-local": confFile(who, "local", {
      type: "macvlan",
      master: "lan0",
      ipam: hostLocal(who, "10.50.0.0/16"),
    }),
    "bridge, host-local": confFile(who, "bridge", {
      type: "bridge",
      bridge: `br-${who}`,
      isGateway: true,
      ipam: hostLocal(who, { ours: "10.51.0.0/16", reference: "10.52.0.0/16" }[who]),
    }),
    "ptp, host-local": confFile(who, "ptp", { type: "ptp", ipam: hostLocal(who, "10.53.0.0/16") }),
  });
  const typeOf = (what: string) => what.replace(/,.*/, "");
  const confs = { ours: confsOf("ours"), reference: confsOf("reference") };
  const calls = containers.flatMap((netns, round) =>
    Object.keys(confs.ours)
      .flatMap((what) =>
        inTurns(round).flatMap((who) =>
          (["ADD", "DEL"] as const).map(
            (verb): Call => ({
              what: `${verb}, ${what}`,
              who,
              type: typeOf(what),
              verb,
              conf: confs[who][what] ?? "",
              container: { id: `c${round}`, netns },
            }),
          ),
        ),
      )
      .concat(
        inTurns(round).map((who) => ({
          what: "VERSION",
          who,
          type: "macvlan",
          verb: "VERSION" as const,
          conf: confs[who]["macvlan, no addresses"] ?? "",
        })),
      ),
  );
  const { times, peaks } = await measured(calls);
  const figure = (what: string, limit?: number): Figure => ({
    what,
    ours: median(times(what, "ours")),
    unit: "ms",
    peer: { name: "reference", value: median(times(what, "reference")) },
    ...(limit !== undefined && { limit }),
  });
  return [
    figure("VERSION", 2),
    figure("ADD, macvlan, no addresses"),
    figure("DEL, macvlan, no addresses"),
    figure("ADD, macvlan, host-local", 0.8),
    figure("DEL, macvlan, host-local", 0.8),
    {
      what: "memory of one ADD, macvlan, host-local",
      ours: Math.max(...peaks("ADD, macvlan, host-local", "ours")),
      unit: "MB",
      peer: { name: "reference", value: Math.max(...peaks("ADD, macvlan, host-local", "reference")) },
    },
    figure("ADD, bridge, host-local", 0.9),
    figure("DEL, bridge, host-local"),
    figure("ADD, ptp, host-local", 0.9),
    figure("DEL, ptp, host-local"),
  ];
}

/** Eight pods that start at once, each in a netns of its own, and then end at once. */
async function sideBySide(): Promise<Figure[]> {
  const containers = Array.from({ length: AT_ONCE }, () => undo.use(openTestNetns()));
  const confs = {
    ours: confFile("ours", "side", {
      type: "macvlan",
      master: "lan0",
      ipam: hostLocal("ours", "10.60.0.0/16"),
    }),
    reference: confFile("reference", "side", {
      type: "macvlan",
      master: "lan0",
      ipam: hostLocal("reference", "10.60.0.0/16"),
    }),
  };
  const calls = Array.from({ length: ROWS }, (_, round) => inTurns(round)).flatMap((turns) =>
    turns.flatMap((who) =>
      (["ADD", "DEL"] as const).flatMap((verb) =>
        containers.map(
          (netns, i): Call => ({
            what: verb,
            who,
            type: "macvlan",
            verb,
            conf: confs[who],
            container: { id: `s${i}`, netns },
            joined: i < containers.length - 1,
          }),
        ),
      ),
    ),
  );
  const { times } = await measured(calls);
  return (["ADD", "DEL"] as const).map((verb): Figure => {
    const [ours, reference] = [median(times(verb, "ours")), median(times(verb, "reference"))];
    return {
      what: `${AT_ONCE} x ${verb} at once, macvlan, host-local`,
      ours,
      unit: "ms",
      peer: { name: "reference", value: reference },
      // 1.2 times the throughput.
      ...(verb === "ADD" && { limit: 1 / 1.2 }),
    };
  });
}

/** host-local alone, with so many addresses taken by others. */
async function reservations(): Promise<Figure[]> {
  const netns = undo.use(openTestNetns());
  const medians = new Map<string, number>();
  for (const reserved of RESERVED) {
    const calls = WHO.flatMap((who): Call[] => {
      const name = `many${reserved}`;
      fill(join(folder, `data-${who}`, name), reserved);
      const conf = confFile(who, name, { type: "x", ipam: hostLocal(who, "10.0.0.0/8") });
      return Array.from({ length: SAMPLES }, (_, i) =>
        (["ADD", "DEL"] as const).map(
          (verb): Call => ({
            what: verb,
            who,
            type: "host-local",
            verb,
            conf,
            container: { id: `n${i}`, netns },
          }),
        ),
      ).flat();
    });
    const { times } = await measured(calls);
    // The first pair meets a directory that nobody has indexed or cached.
    for (const verb of ["ADD", "DEL"])
      for (const who of WHO) medians.set(`${verb} ${who} ${reserved}`, median(times(verb, who).slice(1)));
  }
  const of = (verb: string, who: Who, reserved: number) =>
    medians.get(`${verb} ${who} ${reserved}`) ?? Number.NaN;
  return ["ADD", "DEL"].flatMap((verb) =>
    RESERVED.map((reserved): Figure => {
      const limit = { 0: undefined, 10000: 1.2, 60000: 1.5 }[reserved];
      return {
        what: `${verb}, host-local, ${reserved} taken (reference ${of(verb, "reference", reserved).toFixed(1)} ms)`,
        ours: of(verb, "ours", reserved),
        unit: "ms",
        peer: { name: "ours at none", value: of(verb, "ours", 0) },
        ...(limit !== undefined && { limit }),
      };
    }),
  );
}

/** As the reference writes them. */
function fill(directory: string, count: number): void {
  mkdirSync(directory, { recursive: true });
  const address = (i: number) => `10.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`;
  for (let i = 0; i < count; i++) writeFileSync(join(directory, address(i)), `other${i}\r\neth0`);
  if (count > 0) writeFileSync(join(directory, "last_reserved_ip.0"), address(count - 1));
}

await report("cni", [...(await links()), ...(await sideBySide()), ...(await reservations())]);
