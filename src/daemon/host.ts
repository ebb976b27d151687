import type { Finding } from "../conditions/condition.ts";
import { hostFindings } from "../conditions/judge.ts";
import { Phases } from "../conditions/phases.ts";
import type { ForwardFacts } from "../lib/forward-facts.ts";
import type { HostFacts, KindFacts, Read } from "../lib/host-facts.ts";
import type { Log } from "../lib/log.ts";
import type { SwitchFacts } from "../lib/switch-facts.ts";
import { bootFacts } from "../links/host/boot.ts";
import { kernelFacts, machineFacts } from "../links/host/machine.ts";
import { neighbourTables } from "../links/host/neighbours.ts";
import { dockerdProcess, processFacts } from "../links/host/process.ts";
import type { Files } from "../links/host/read.ts";

/** What is wrong with the host, as the daemon last saw: `status` counts it, `doctor` tells it, the log its begin and end. */
export interface HostWatch {
  /** Undefined before the first look. */
  findings(): readonly Finding[] | undefined;
  /** Networks came or went since the last look. */
  isStale(): boolean;
  /** Reads files; the kinds only the first time, because the kernel must be asked for a link. Throws `kernel`. */
  look(): Promise<void>;
}

export interface HostParts {
  readonly files: Files;
  readonly pid: number;
  readonly dockerSocket: string;
  kinds(): Promise<readonly KindFacts[]>;
  /** Undefined while no network is on one: then nobody is asked. */
  ovs?(): Promise<SwitchFacts | undefined>;
  /** Undefined while this host is the gateway of no network. */
  forward?(): Promise<Read<ForwardFacts> | undefined>;
  /** How many networks Docker has of us. */
  networks(): number;
  readonly log: Log;
}

export function hostWatch(parts: HostParts): HostWatch {
  let kinds: Promise<readonly KindFacts[]> | undefined;
  let last: readonly Finding[] | undefined;
  let networks: number | undefined;
  const phases = new Phases(parts.log);
  return {
    findings: () => last,
    isStale: () => networks !== parts.networks(),
    async look() {
      networks = parts.networks();
      kinds ??= parts.kinds();
      const ovs = await parts.ovs?.();
      const forward = await parts.forward?.();
      const facts = { ...factsOf(parts, await kinds), ...(ovs && { ovs }), ...(forward && { forward }) };
      last = hostFindings(facts).findings;
      phases.tell([["host", last]]);
    },
  };
}

/** dockerd is not asked unless a person wants it: whether it is there and what it says is left to `doctor`. */
function factsOf({ files, pid, dockerSocket, networks }: HostParts, kinds: readonly KindFacts[]): HostFacts {
  const dockerd = dockerdProcess(files);
  return {
    kernel: kernelFacts(files),
    kinds,
    machine: machineFacts(files),
    process: processFacts(files, pid),
    docker: {
      socket: dockerSocket,
      dockerd: { unread: "the daemon asks dockerd only when it is told to" },
      drivers: [],
      networks: networks(),
      ...(dockerd && { process: dockerd }),
    },
    boot: bootFacts(files),
    neighbours: neighbourTables(files),
    parents: [],
  };
}
