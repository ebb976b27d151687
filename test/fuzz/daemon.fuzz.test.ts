import { readFileSync } from "node:fs";
import { startLoneDaemon } from "../live/lone-daemon.ts";
import { type FuzzTarget, fuzzSuite } from "./suite.ts";

/** Far more than it takes, far less than a leak of one request in ten would. */
const MOST_MEGABYTES = 250;

fuzzSuite("the daemon", startDaemon, 20_000);

async function startDaemon(things: AsyncDisposableStack): Promise<FuzzTarget> {
  // One line a call would be hundreds of thousands.
  const daemon = things.use(await startLoneDaemon(["--log-level=warn"]));
  await daemon.ip("link add lan type veth peer name lan1");
  await daemon.ip("link set lan up");
  const troubles = () => {
    if (!daemon.isRunning()) return ["it ended"];
    const resident = megabytesOf(daemon.pid());
    const complaints = daemon.lines().filter((line) => line.includes('"level":"error"'));
    return resident > MOST_MEGABYTES ? [...complaints, `it grew to ${resident} MB`] : complaints;
  };
  return { path: daemon.socket, troubles };
}

/** VmRSS of proc(5). */
function megabytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024);
}
