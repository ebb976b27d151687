import type { Code } from "../lib/errors.ts";

/** Exit codes of the CLI (DESIGN section 1); scripts depend on them. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  notFound: 4,
  conflict: 5,
  permission: 6,
  timeout: 7,
  findings: 8,
} as const;

export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: "done",
  failed: "failed",
  usage: "wrong usage or configuration",
  unreachable: "the daemon is not running",
  notFound: "no such network or endpoint",
  conflict: "it exists, differs, is in use, or a condition refuses it",
  permission: "a permission or capability is missing",
  timeout: "no answer in time",
  findings: "a check found something",
};

const EXIT_OF_CODE = {
  invalid_request: EXIT.usage,
  invalid_option: EXIT.usage,
  refused: EXIT.conflict,
  not_found: EXIT.notFound,
  conflict: EXIT.conflict,
  not_yet: EXIT.failed,
  kernel: EXIT.failed,
  unsupported: EXIT.permission,
  permission: EXIT.permission,
  state: EXIT.failed,
  unreachable: EXIT.unreachable,
  timeout: EXIT.timeout,
  internal: EXIT.failed,
} satisfies Record<Code, number>;

export function exitCodeOf(code: Code): number {
  return EXIT_OF_CODE[code];
}
