import { join } from "node:path";
import type { Answer, LoneDaemon } from "./lone-daemon.ts";

/** The same daemon, with what dockerd says on the socket of the driver for Open vSwitch. */
export function speakingOvs(lone: LoneDaemon): LoneDaemon {
  return { ...lone, call: (method, message) => callOvs(lone, method, message) };
}

async function callOvs({ pluginDir }: LoneDaemon, method: string, message?: object): Promise<Answer> {
  const response = await fetch(`http://plugin/NetworkDriver.${method}`, {
    method: "POST",
    unix: join(pluginDir, "underlay-ovs.sock"),
    keepalive: false,
    body: JSON.stringify(message),
  });
  const body: Record<string, unknown> = JSON.parse(await response.text());
  return { status: response.status, body };
}
