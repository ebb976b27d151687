import type { Body } from "../../daemon/api.ts";
import { usageError } from "../args.ts";
import { EXIT } from "../exit.ts";
import type { Migration } from "../migrate/body.ts";
import { formatOf, jsonOf, ONE_FORMATS, paintOf } from "../output.ts";
import { clean } from "../table.ts";
import type { Call, Verb } from "../verb.ts";

async function migrateDocker(call: Call): Promise<number> {
  const { given, env, io, args } = call;
  const format = formatOf(given, ONE_FORMATS);
  const paint = paintOf(given, env, io.stdoutIsTty);
  const applied = given.flags.has("apply");
  if (applied && given.flags.has("dry-run"))
    throw usageError("--apply does it and --dry-run does not: give one");
  const { values } = await call.config();
  const { carriedOut, planned } = await import("../migrate/migrate.ts");
  const { networks, warning } = await (applied ? carriedOut(values, args) : planned(values, args));
  if (warning !== undefined)
    io.stderr(
      format === "table"
        ? `underlay: ${clean(warning)}\n`
        : `${JSON.stringify({ warning: { message: warning } })}\n`,
    );

  const { outcomeText, planText } = await import("../migrate/text.ts");
  const text = applied ? outcomeText(networks, paint) : planText(networks);
  const body: Body<"underlay.migrate/v1"> = {
    schema: "underlay.migrate/v1",
    applied,
    networks: [...networks],
  };
  io.stdout(jsonOf(format, body) ?? text);
  return applied ? exitOf(networks) : EXIT.done;
}

/** A network that is in use or refused is where it was: a conflict. One that is nowhere is a failure. */
function exitOf(networks: readonly Migration[]): number {
  if (networks.some(({ status }) => status === "lost" || status === "failed")) return EXIT.failed;
  const isDone = networks.every(({ status }) => status === "moved" || status === "already");
  return isDone ? EXIT.done : EXIT.conflict;
}

/** `underlay migrate …`: what is somebody else's becomes ours. */
export const migrateVerbs: readonly Verb[] = [
  {
    words: "migrate docker",
    args: ["[NETWORK...]"],
    flags: ["output", "apply", "dry-run"],
    settings: ["docker_socket"],
    help: "print, or do, what moves networks of Docker's macvlan and ipvlan drivers to ours",
    more:
      "NETWORK is a name or an id; without one all networks of these drivers are meant. Prints commands for a shell, and " +
      "what they change, and does nothing. With --apply networks that no container uses, not even a stopped one, are " +
      "removed and made again, one after the other; one that our driver refuses is put back. When it is " +
      "interrupted, --apply goes on where it was. Exits with 5 when a network was left as it was, because it is in use or " +
      "refused, and with 1 when dockerd failed; what is gone then can be restored by the command that is printed.",
    run: migrateDocker,
  },
];
