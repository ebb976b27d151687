import { PLUGIN_NAMES } from "../../src/cni/plugins.ts";
import {
  answerOf,
  type CniConf,
  CniFailure,
  type CniResult,
  type CniVerb,
  envOf,
  resultOf,
} from "../ground/cni.ts";
import { PROGRAM } from "../ground/daemon.ts";
import type { Guest } from "./guest.ts";
import { quoted } from "./services.ts";

/**
 * CNI plugins in a guest. A call takes half a second there and a script of its own another tenth, so that calls that follow
 * each other, and looks at what they did, are one script.
 */

export const IFNAME = "foobar0";

/** The netns in which plugins are called, and the container's; each has a dummy to hang links on, as the reference's suite. */
export const HOST = { netns: "host", master: "eth0" } as const;
export const POD = { netns: "pod", master: "eth1" } as const;

export type Step =
  | {
      readonly verb: CniVerb;
      readonly conf: CniConf;
      /** `prevResult` is what the last ADD of the script said. */
      readonly afterAdd?: true;
      /** What differs from container `dummy` in POD. */
      readonly env?: Readonly<Record<string, string>>;
    }
  /** A command line, or several; what it says on stdout is the answer, and it may fail. */
  | { readonly look: string };

/** What came of a step. */
export interface Said {
  readonly text: string;
  /** 128 and the number of the signal that ended it. */
  readonly code: number;
  readonly stderr: string;
  /** Of an ADD that succeeded. */
  readonly result?: CniResult;
  readonly failure?: CniFailure;
}

/** CNI_PATH. */
export const FOLDER = "/tmp/cni";
const [FIELD, END] = ["\x1f", "\x1e"] as const;

/** Makes the namespaces, with their masters up. */
export async function prepare(guest: Guest): Promise<void> {
  const netns = ({ netns, master }: typeof HOST | typeof POD) => `
    ip netns add ${netns}
    ip -n ${netns} link add ${master} type dummy
    ip -n ${netns} link set ${master} up`;
  await installPlugins(guest);
  await guest.must([HOST, POD].map(netns).join("\n"));
}

/** Once a boot. */
export async function installPlugins(guest: Guest): Promise<void> {
  const links = PLUGIN_NAMES.map((name) => `ln -s ${PROGRAM} ${FOLDER}/${name}`);
  await guest.must([`mkdir ${FOLDER}`, ...links].join("\n"));
}

/** Steps of several scripts, one after the other, in HOST. Throws for what the protocol forbids. */
export function inHost(guest: Guest, scripts: readonly (readonly Step[])[]): Promise<Said[][]> {
  return said(guest, `ip netns exec ${HOST.netns} `, scripts);
}

/** The same in the guest's own netns. */
export function inGuest(guest: Guest, scripts: readonly (readonly Step[])[]): Promise<Said[][]> {
  return said(guest, "", scripts);
}

async function said(guest: Guest, enter: string, scripts: readonly (readonly Step[])[]): Promise<Said[][]> {
  const lines = scripts.flat().map(lineOf);
  const text = await guest.must(`exec ${enter}bash -eu <<'SCRIPT'\n${SHELL}${lines.join("\n")}\nSCRIPT`, {
    timeoutMs: 20_000 + 6000 * lines.length,
  });
  const answers = text.split(END).slice(0, -1);
  let at = 0;
  return scripts.map((steps) => steps.map((step) => saidOf(step, answers[at++] ?? "")));
}

/** What of a container's environment no step changes; and how its answers come: `CODE FIELD STDOUT FIELD STDERR END`. */
const SHELL = `
export ${Object.entries(
  envOf("ADD", [FOLDER], { containerId: "dummy", netns: `/run/netns/${POD.netns}`, ifname: IFNAME }),
)
  .map(([name, value]) => `${name}=${quoted(value)}`)
  .join(" ")} CNI_NETNS_OVERRIDE=1
added=
call() { # TYPE CONF ENV...
  local code=0 conf=$2 out
  out=$(exec env "\${@:3}" ${FOLDER}/"$1" <<<"$conf" 2>/tmp/cni-stderr) || code=$?
  printf '%s\\x1f%s\\x1f%s\\x1e' "$code" "$out" "$(</tmp/cni-stderr)"
  [ "$code" != 0 ] || [ -z "$out" ] || added=$out
}
`;

function lineOf(step: Step): string {
  if ("look" in step) return `printf '0\\x1f%s\\x1f\\x1e' "$({ ${step.look}; } 2>&1 || true)"`;
  const { verb, conf, afterAdd, env = {} } = step;
  const text = quoted(JSON.stringify(conf).slice(0, -1));
  const rest = afterAdd ? `', "prevResult": '"\${added:-null}"'}'` : "'}'";
  const words = Object.entries({ CNI_COMMAND: verb, ...env }).map(([name, value]) =>
    quoted(`${name}=${value}`),
  );
  return `call ${String(conf["type"])} ${text}${rest} ${words.join(" ")}`;
}

function saidOf(step: Step, answer: string): Said {
  const [status = "", text = "", stderr = ""] = answer.split(FIELD);
  const code = Number(status);
  const came = { text, code, stderr };
  if ("look" in step || code > 128) return came;
  const { verb, conf } = step;
  try {
    const document = answerOf(verb, String(conf["type"]), { code, stdout: text, stderr });
    return { ...came, ...(verb === "ADD" && { result: resultOf(document) }) };
  } catch (thrown) {
    if (thrown instanceof CniFailure) return { ...came, failure: thrown };
    throw thrown;
  }
}
