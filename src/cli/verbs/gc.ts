import type { Body } from "../../daemon/api.ts";
import { ownerWords } from "../../lib/owner.ts";
import { EXIT } from "../exit.ts";
import { formatOf, jsonOf, ONE_FORMATS, paintOf } from "../output.ts";
import { type Cell, tableOf } from "../table.ts";
import type { Call, Verb } from "../verb.ts";

async function gc(call: Call): Promise<number> {
  const { given, env, io } = call;
  const format = formatOf(given, ONE_FORMATS);
  const paint = paintOf(given, env, io.stdoutIsTty);
  const { answer } = await call.ask((source) =>
    source.gc({ dryRun: given.flags.has("dry-run"), askDocker: given.flags.has("docker") }),
  );
  const columns = [
    { head: answer.dry_run ? "WOULD" : "DONE", cell: doneOf },
    { head: "SUBJECT", cell: (action: Action) => ownerWords(action.subject) },
    { head: "WHY", cell: ({ failure, why }: Action) => failure ?? why },
  ];
  const table = () =>
    answer.actions.length === 0
      ? "nothing to collect\n"
      : tableOf(columns, answer.actions, { paint, heading: true });
  io.stdout(jsonOf(format, answer) ?? table());
  return answer.actions.some(({ failure }) => failure !== undefined) ? EXIT.failed : EXIT.done;
}

type Action = Body<"underlay.gc/v1">["actions"][number];

function doneOf({ what, failure }: Action): Cell {
  return failure === undefined ? what : { text: `${what} FAILED`, style: "red" };
}

/** `underlay gc`: a reconcile now, or what it would do. */
export const gcVerbs: readonly Verb[] = [
  {
    words: "gc",
    flags: ["output", "dry-run", "docker"],
    help: "compare records with the kernel now, and drop what nobody can use",
    more:
      "Needs a running daemon. Only links whose name or record says that they are ours are deleted. With --docker " +
      "nothing is dropped when dockerd does not answer, nor what was just made, nor an endpoint whose link a container has.",
    run: gc,
  },
];
