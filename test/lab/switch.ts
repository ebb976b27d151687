import { DATABASE, DB_FILE, SCHEMA, VSWITCHD } from "../ground/ovs.ts";
import type { GuestProcess } from "./guest.ts";
import type { Lab } from "./scenario.ts";

/** Open vSwitch in a guest that has its programs. */
export interface GuestSwitch {
  /** Ends ovs-vswitchd as a crash would, and starts it again. */
  restartVswitchd(): Promise<void>;
}

/**
 * What a distribution's unit does at a boot: the database is the one on the disk. The kernel loads ipv6 for the first
 * tunnel otherwise, with a lock held that loading takes, and stands still for ever. ovs-vswitchd 3.1 counts processors
 * every 10 s, the first time 10 s after the boot, and until then thinks that there is none who would look at frames.
 */
const PREPARE = `
  modprobe ipv6
  while read -r up _ </proc/uptime && [ "\${up%.*}" -lt 11 ]; do sleep 0.2; done
  [ -e ${DB_FILE} ] || ovsdb-tool create ${DB_FILE} ${SCHEMA}`;

/** Resolves when both programs answer. To be called after each boot. */
export async function startSwitch({ guest }: Lab): Promise<GuestSwitch> {
  const launch = async (argv: readonly string[], answers: string): Promise<GuestProcess> => {
    const process = await guest.start(argv[0] ?? "", `exec ${argv.join(" ")}`);
    await guest.must(`ovs-vsctl --retry --timeout=30 ${answers}`);
    return process;
  };
  const startVswitchd = () => launch(VSWITCHD, "init");

  await guest.must(PREPARE);
  await launch(DATABASE, "--no-wait init");
  let vswitchd = await startVswitchd();
  return {
    restartVswitchd: async () => {
      vswitchd.signal("SIGKILL");
      await vswitchd.ended;
      vswitchd = await startVswitchd();
    },
  };
}
