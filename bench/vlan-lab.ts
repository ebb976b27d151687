import { join } from "node:path";
import { PROGRAM } from "../test/ground/daemon.ts";
import { IMAGE } from "../test/ground/dockerd.ts";
import { makeGuest } from "../test/lab/guest.ts";
import { servicesOf } from "../test/lab/services.ts";
import { type Figure, median, report } from "./figures.ts";
import type { Measured } from "./vlan-lab.guest.ts";

/**
 * VLANs on a kernel that has them, ours against Docker's own macvlan driver: the same dockerd in a guest, in turns. A
 * guest is slow, and its kernel has one processor: only ratios mean something.
 */

const CREATES = 21;
const STARTS = 7;

await using guest = await makeGuest("newest");
await guest.boot();
const services = servicesOf(guest);
await services.underlay();
await services.dockerd();
await services.image();

const built = await Bun.build({ entrypoints: [join(import.meta.dir, "vlan-lab.guest.ts")], target: "bun" });
const script = (await built.outputs[0]?.text()) ?? "";
const settings = `BUN_BE_BUN=1 IMAGE=${IMAGE} CREATES=${CREATES} STARTS=${STARTS}`;
const words = `cat >/tmp/bench.js <<'END'\n${script}\nEND\nexec env ${settings} ${PROGRAM} /tmp/bench.js`;
const measured: Measured = JSON.parse(await guest.must(words, { timeoutMs: 9 * 60_000 }));

const of = (times: Measured["create"], driver: string) => median(times[driver] ?? []);
const [ours, theirs] = [of(measured.create, "underlay-macvlan"), of(measured.create, "macvlan")];
const peer = { name: "built-in", value: theirs };
const checks = median(measured.onExisting) - median(measured.again);
const figures: Figure[] = [
  { what: "network create on a new VLAN", ours, unit: "ms", peer },
  { what: "of it looks, a trial and a record", ours: checks, unit: "ms" },
  { what: "network create on a new VLAN, without these", ours: ours - checks, unit: "ms", peer, limit: 1.2 },
  {
    what: "start of the first container on a new VLAN",
    ours: of(measured.start, "underlay-macvlan"),
    unit: "ms",
    peer: { name: "built-in", value: of(measured.start, "macvlan") },
    limit: 1.05,
  },
];
await report("vlan-lab", figures);
