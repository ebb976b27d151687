import { closeSync, openSync, readlinkSync } from "node:fs";
import { isOurLinkName } from "../../src/lib/ifname.ts";
import { must } from "../ground/run.ts";
import { until } from "../ground/until.ts";
import type { LoneDaemon } from "./lone-daemon.ts";

/** A container's netns with one process in it, and as much of dockerd as moves links. */
export interface Sandbox extends AsyncDisposable {
  /** What dockerd would call its SandboxKey. */
  readonly key: string;
  /** Ends the process; the netns stays, as dockerd's does that is mounted until after DeleteEndpoint. */
  end(): Promise<void>;
  /** Moves the daemon's one link in, up and by another name, as dockerd does after Join. */
  take(daemon: LoneDaemon): Promise<void>;
  /** Moves it back under its old name, as dockerd does after Leave; nothing when it is not there. */
  giveBack(daemon: LoneDaemon): Promise<void>;
  /** `ip` in there. */
  ip(words: string): Promise<string>;
  links(): Promise<string[]>;
}

const NAME = "eth0";

export async function startSandbox(): Promise<Sandbox> {
  const holder = Bun.spawn(["unshare", "--net", "cat"], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "inherit",
  });
  const born = `/proc/${holder.pid}/ns/net`;
  const own = readlinkSync("/proc/self/ns/net");
  await until("unshare has made a namespace", () => readlinkSync(born) !== own);
  const fd = openSync(born, "r");
  const key = `/proc/${process.pid}/fd/${fd}`;
  const ip = (words: string) => must(["nsenter", `--net=${key}`, "ip", ...words.split(" ")]);
  const links = async () => {
    const all: { ifname: string }[] = JSON.parse(await ip("-j link show"));
    return all.map(({ ifname }) => ifname).filter((name) => name !== "lo");
  };
  const end = async () => {
    holder.stdin.end();
    await holder.exited;
  };
  let formerName = "";
  return {
    key,
    end,
    ip,
    links,
    async take(daemon) {
      formerName = (await daemon.links()).map(({ ifname }) => ifname).find(isOurLinkName) ?? "";
      await daemon.ip(`link set ${formerName} netns ${key}`);
      await ip(`link set ${formerName} name ${NAME} up`);
    },
    async giveBack(daemon) {
      if (!(await links()).includes(NAME)) return;
      await ip(`link set ${NAME} down`);
      await ip(`link set ${NAME} name ${formerName}`);
      await ip(`link set ${formerName} netns ${daemon.pidOfNetns}`);
    },
    async [Symbol.asyncDispose]() {
      await end();
      closeSync(fd);
    },
  };
}
