import { EXIT } from "../exit.ts";
import { formatOf, jsonOf, ONE_FORMATS, paintOf } from "../output.ts";
import { tableOf } from "../table.ts";
import type { Call, Verb } from "../verb.ts";

async function gc(call: Call): Promise<number> {
  const { given, env, io } = call;
  const format = formatOf(given, ONE_FORMATS);
  const paint = paintOf(given, env, io.stdoutIsTty);
  const { answer } = await call.ask((source) =>
    source.gc({ dryRun: given.flags.has("dry-run"), askDocker: given.flags.has("docker") }),
  );
  const columns = [
    { head: answer.dry_run ? "WOULD" : "DONE", cell: (action: Action) => action.what },
    { head: "SUBJECT", cell: (action: Action) => action.subject },
    { head: "WHY", cell: (action: Action) => action.why },
  ];
  const table = () =>
    answer.actions.length === 0
      ? "nothing to collect\n"
      : tableOf(columns, answer.actions, { paint, heading: true });
  io.stdout(jsonOf(format, answer) ?? table());
  return EXIT.done;
}

interface Action {
  readonly what: string;
  readonly subject: string;
  readonly why: string;
}

/** `underlay gc`: a reconcile now, or what it would do. */
export const gcVerbs: readonly Verb[] = [
  {
    words: "gc",
    flags: ["output", "dry-run", "docker"],
    help: "compare records with the kernel now, and drop what nobody can use",
    more:
      "Needs a running daemon. Only links whose name or record says that they are ours are deleted. With --docker " +
      "nothing is dropped when dockerd does not answer, nor a network that has endpoints or was just made.",
    run: gc,
  },
];
