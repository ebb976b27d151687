import type { BootFacts, Read } from "../../lib/host-facts.ts";
import type { Files } from "./read.ts";

const UNIT = "underlay.service";
/** systemd.unit(5): the first that has the unit counts. */
const FOLDERS = [
  "/etc/systemd/system",
  "/run/systemd/system",
  "/usr/local/lib/systemd/system",
  "/usr/lib/systemd/system",
  "/lib/systemd/system",
];
const WANTED_BY = ["multi-user.target", "docker.service"];

/** Whether the daemon starts with the machine, and before dockerd, as files tell. */
export function bootFacts(files: Files): Read<BootFacts> {
  if (!files.exists("/run/systemd/system")) return { unread: "this system was not started by systemd" };
  const path = FOLDERS.map((folder) => `${folder}/${UNIT}`).find((candidate) => files.exists(candidate));
  if (path === undefined) return { known: {} };
  const before = [...(files.text(path) ?? "").matchAll(/^Before=(.*)$/gm)].map(([, units = ""]) => units);
  return {
    known: {
      unit: {
        path,
        enabled: WANTED_BY.some((target) => files.exists(`/etc/systemd/system/${target}.wants/${UNIT}`)),
        beforeDocker: before.some((units) => units.split(/\s+/).includes("docker.service")),
      },
    },
  };
}
