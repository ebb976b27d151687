import { DRIVERS } from "../../docker/drivers.ts";
import { askDockerd, driverFacts } from "../../docker/host-facts.ts";
import { asUnderlayError } from "../../lib/errors.ts";
import type { LinkFacts, ProbeFacts } from "../../lib/facts.ts";
import type { DockerFacts, HostFacts, Read } from "../../lib/host-facts.ts";
import type { SwitchFacts } from "../../lib/switch-facts.ts";
import { bootFacts } from "../../links/host/boot.ts";
import { kernelFacts, machineFacts } from "../../links/host/machine.ts";
import { moduleState } from "../../links/host/modules.ts";
import { neighbourTables } from "../../links/host/neighbours.ts";
import { dockerdProcess, processFacts } from "../../links/host/process.ts";
import type { Files } from "../../links/host/read.ts";
import type { GatewayLink } from "../../links/nat/forward-look.ts";
import { OVS_MODULE, type SwitchQuestion, switchFacts } from "../../links/ovs/look.ts";
import type { DoctorKernel } from "./kernel.ts";

export interface HostQuestion {
  readonly files: Files;
  readonly kernel: Read<DoctorKernel>;
  readonly dockerSocket: string;
  readonly pluginDir: string;
  /** Of the daemon when one runs, else of this process. */
  readonly pid: number;
  readonly dockerNetworks: number;
  readonly parents: readonly LinkFacts[];
  readonly probes: readonly ProbeFacts[];
  readonly ovs: SwitchFacts | undefined;
  /** That have the addresses of networks' gateways. */
  readonly gatewayLinks: readonly GatewayLink[];
}

/** Everything about the host that conditions want to know. */
export async function hostFacts(question: HostQuestion): Promise<HostFacts> {
  const { files, kernel, pid, parents, probes, ovs } = question;
  return {
    kernel: kernelFacts(files),
    kinds: "known" in kernel ? await kernel.known.kinds() : [],
    machine: machineFacts(files),
    process: {
      ...processFacts(files, pid),
      ...("unread" in kernel && { noForeignCalls: kernel.unread }),
    },
    docker: await dockerFacts(question),
    boot: bootFacts(files),
    neighbours: neighbourTables(files),
    parents,
    probes,
    ...(ovs && { ovs }),
    ...(await forwardOf(question)),
  };
}

/** Undefined where nobody was asked. */
export function askSwitch(
  { files, kernel }: Pick<HostQuestion, "files" | "kernel">,
  question: Omit<SwitchQuestion, "module" | "holder">,
): Promise<SwitchFacts | undefined> {
  return switchFacts({
    ...question,
    holder: async () => ("known" in kernel ? kernel.known.tunnelPortHolder() : undefined),
    module: moduleState(files, kernelFacts(files).release, OVS_MODULE),
  });
}

async function forwardOf({ kernel, gatewayLinks }: HostQuestion): Promise<Pick<HostFacts, "forward">> {
  if (gatewayLinks.length === 0) return {};
  if ("unread" in kernel) return { forward: kernel };
  try {
    return { forward: { known: await kernel.known.forward(gatewayLinks) } };
  } catch (thrown) {
    const { code, message } = asUnderlayError(thrown);
    if (code === "permission")
      return { forward: { unread: "the rules of the firewall are not for this user: run as root" } };
    if (code !== "kernel") throw thrown;
    return { forward: { unread: message } };
  }
}

async function dockerFacts({
  files,
  dockerSocket,
  pluginDir,
  dockerNetworks,
}: HostQuestion): Promise<DockerFacts> {
  const process = dockerdProcess(files);
  const [dockerd, ...drivers] = await Promise.all([
    askDockerd(dockerSocket),
    ...DRIVERS.map(({ name }) => driverFacts(name, pluginDir, files.text)),
  ]);
  return { socket: dockerSocket, dockerd, drivers, networks: dockerNetworks, ...(process && { process }) };
}
