import type { Body } from "../../daemon/api.ts";
import { EXIT } from "../exit.ts";
import { formatOf, jsonOf, ONE_FORMATS, paintOf } from "../output.ts";
import { type Cell, type Paint, pairsOf } from "../table.ts";
import type { Call, Verb } from "../verb.ts";
import { findingLines } from "./findings.ts";
import { ageOf } from "./network.ts";

async function status(call: Call): Promise<number> {
  const { given, env, io, now } = call;
  const format = formatOf(given, ONE_FORMATS);
  const paint = paintOf(given, env, io.stdoutIsTty);
  const { answer, fromRecords } = await call.ask((source) => source.status());
  io.stdout(jsonOf(format, answer) ?? screen(answer, now, paint));
  return fromRecords ? EXIT.unreachable : EXIT.done;
}

function screen(body: Body<"underlay.status/v1">, now: number, paint: Paint): string {
  const { daemon, networks, endpoints, parents, findings } = body;
  const degraded = networks.degraded ? `, ${networks.degraded} degraded` : "";
  const pairs: [string, Cell][] = [
    ["daemon", daemon ? running(daemon, now) : { text: "not running", style: "red" }],
    ...(daemon ? [["drivers", daemon.drivers.join(", ")] satisfies [string, Cell]] : []),
    ["networks", `${networks.total}${degraded}`],
    ["endpoints", `${endpoints.total}, ${endpoints.provisioned} with a link${portWords(endpoints.ports)}`],
    ...parents.map((parent): [string, Cell] => [
      "parent",
      `${parent.name}: networks ${parent.networks}, endpoints ${parent.endpoints}${uplinkWords(body, parent.name)}`,
    ]),
    ...hostPairs(body.host),
    [
      "problems",
      daemon
        ? { text: `${findings.length || "none"}`, style: findings.length ? "yellow" : "green" }
        : "unknown",
    ],
  ];
  return pairsOf(pairs, paint) + findingLines(findings, paint);
}

function portWords(ports: number): string {
  return ports === 0 ? "" : `, ports published ${ports}`;
}

/** A remark, and what is on one's mind who looks why containers reach nobody. */
function uplinkWords({ host }: Body<"underlay.status/v1">, bridge: string): string {
  const has = host?.findings.some(({ id, subject }) => id === "UL-O12" && subject.name === bridge);
  return has ? ", no uplink" : "";
}

/** A line for each, because much about a host is lasting; what was read and what to do is the doctor's to tell. */
function hostPairs(host: Body<"underlay.status/v1">["host"]): [string, Cell][] {
  if (host === null) return [];
  const { fail, warn, findings } = host;
  if (fail + warn === 0) return [["host", { text: "nothing wrong", style: "green" }]];
  const text = `${fail} fail, ${warn} warn: underlay doctor tells`;
  return [
    ["host", { text, style: fail > 0 ? "red" : "yellow" }],
    ...findings
      .filter(({ severity }) => severity !== "info")
      .map(({ id, message }): [string, Cell] => ["", `${id} ${message}`]),
  ];
}

function running(daemon: NonNullable<Body<"underlay.status/v1">["daemon"]>, now: number): Cell {
  return {
    text: `running, version ${daemon.version}, pid ${daemon.pid}, up ${ageOf(daemon.started_at, now)}`,
    style: "green",
  };
}

/** `underlay status`: everything on one screen. */
export const statusVerbs: readonly Verb[] = [
  {
    words: "status",
    flags: ["output"],
    help: "show daemon, networks, parents and problems on one screen",
    more: `Exits with ${EXIT.unreachable} when no daemon runs; then it shows what the records say.`,
    run: status,
  },
];
