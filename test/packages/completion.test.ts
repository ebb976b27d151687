import { beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { manPages } from "../../src/cli/man/pages.ts";
import { VERBS } from "../../src/cli/verbs.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import type { PrivateHost } from "../ground/host.ts";
import { BUILT, startPackagingHost } from "../ground/packaging.ts";
import { until } from "../ground/until.ts";

/** The shells themselves complete our words, with a daemon to ask; and manual pages are read without a complaint. */

const things = disposedAfterAll();
let host: PrivateHost;
const NETWORK = "1758a0b1".padEnd(64, "0");

beforeAll(async () => {
  host = things.use(await startPackagingHost());
  await host.must(["ln", "-s", BUILT, "/usr/local/bin/underlay"]);
  await host.must(["mkdir", "-p", "/run/docker/plugins"]);
  const daemon = await host.start([BUILT, "daemon"]);
  const unix = host.outside("/run/docker/plugins/underlay-macvlan.sock");
  const call = (method: string, body: object) =>
    fetch(`http://plugin/${method}`, { method: "POST", unix, body: JSON.stringify(body) });
  await until("the daemon serves", async () => (await call("Plugin.Activate", {})).ok, {
    hopeless: () => (daemon.hasEnded() ? daemon.lines.join("\n") : undefined),
  });
  const made = await call("NetworkDriver.CreateNetwork", {
    NetworkID: NETWORK,
    Options: { "com.docker.network.generic": { parent: "lan0" } },
    IPv4Data: [{ AddressSpace: "LocalDefault", Pool: "10.60.0.0/16", Gateway: "10.60.0.1/16" }],
    IPv6Data: [],
  });
  expect(await made.json()).toEqual({});
  for (const shell of ["bash", "zsh", "fish"]) {
    const script = await host.must(["underlay", "completion", shell]);
    writeFileSync(host.outside(`/tmp/underlay.${shell}`), `${script}\n`);
  }
}, 60_000);

type Shell = (line: string) => Promise<string[]>;

/** The function that bash would call, with the words as bash parts them: at blanks and `=`. */
const bash: Shell = async (line) => {
  const words = line.split(/(=)|\s/).filter((word) => word !== undefined);
  const script = `source /tmp/underlay.bash
[[ $(complete -p underlay) == "complete -F _underlay underlay" ]] || exit 9
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}
_underlay; [[ \${#COMPREPLY[@]} == 0 ]] || printf '%s\\n' "\${COMPREPLY[@]}"`;
  return linesOf(await host.must(["bash", "-uc", script]));
};

const fish: Shell = async (line) => {
  const out = await host.must(["fish", "-c", `source /tmp/underlay.fish; complete -C '${line}'`]);
  return linesOf(out).map((each) => each.split("\t")[0] ?? "");
};

/** A zsh at a terminal: only there its completion runs. What it would offer is caught where `compadd` hands it over. */
const zsh: Shell = async (line) => {
  const script = `zmodload zsh/zpty
zpty shell 'TERM=dumb zsh -f -i'
feed() { zpty -w shell $1 }
feed 'PS1= ; autoload -U compinit && compinit -u -D; source /tmp/underlay.zsh'
feed 'compadd() { local -a found; builtin compadd -O found "$@"; print -l -- $found >>/tmp/zsh-found; builtin compadd "$@" }'
feed 'finish() { zle complete-word; touch /tmp/zsh-done; }; zle -N finish; bindkey "^I" finish; print ready'
zpty -r shell seen '*ready*ready*'
zpty -n -w shell $'${line}\\t'
integer left=500
while [[ ! -e /tmp/zsh-done ]] && (( left-- )); do zpty -r -t shell more; sleep 0.01; done
zpty -d shell
[[ -e /tmp/zsh-done ]]`;
  await host.must(["rm", "-f", "/tmp/zsh-found", "/tmp/zsh-done"]);
  await host.must(["zsh", "-fc", script]);
  const found = await host.run(["sort", "-u", "/tmp/zsh-found"]);
  return linesOf(found.stdout.trim());
};

const linesOf = (text: string) => (text === "" ? [] : text.split("\n"));

describe.each([
  ["bash", bash],
  ["fish", fish],
  ["zsh", zsh],
] as const)("%s", (name, shell) => {
  test.each([
    ["underlay net", ["network"]],
    ["underlay network ", ["inspect", "ls"]],
    ["underlay network inspect ", [NETWORK.slice(0, 12)]],
    ["underlay endpoint inspect ", []],
    ["underlay doctor ", ["lan0"]],
    ["underlay gc --dr", ["--dry-run"]],
    ["underlay network ls -o js", ["json", "jsonl"]],
  ])("%s", async (line, wanted) => {
    expect((await shell(line)).sort()).toEqual(wanted);
  });

  test("underlay status --output=js", async () => {
    const values = ["json", "jsonl"];
    const whole = name === "bash" ? values : values.map((value) => `--output=${value}`);
    expect((await shell("underlay status --output=js")).sort()).toEqual(whole);
  });

  test("folders and files", async () => {
    mkdirSync(host.outside("/tmp/place/folder"), { recursive: true });
    writeFileSync(host.outside("/tmp/place/file"), "");
    // zsh looks along the whole path.
    const names = async (line: string) =>
      (await shell(line))
        .map((path) => path.replace(/^\/tmp\/place\//, "").replace(/\/$/, ""))
        .filter((path) => path !== "tmp" && path !== "place")
        .sort();
    expect(await names("underlay daemon --state-dir /tmp/place/")).toEqual(["folder"]);
    expect(await names("underlay daemon --config /tmp/place/")).toEqual(["file", "folder"]);
  });
});

test("what is printed for bash at a place that is none is nothing", async () => {
  expect(await bash("underlay nonsense ")).toEqual([]);
});

describe.each(Object.entries(manPages(VERBS, "1.2.3")))("%s", (name, text) => {
  test("is read without a warning, and shows every word", async () => {
    writeFileSync(host.outside(`/tmp/${name}`), text);
    const lint = await host.run(["mandoc", "-Tlint", "-Wwarning", `/tmp/${name}`]);
    // A date would differ from build to build.
    expect(lint.stdout.split("\n").filter((each) => each !== "" && !each.includes("missing date"))).toEqual(
      [],
    );
    const shown = await host.must(["mandoc", "-Tascii", "-Owidth=200", `/tmp/${name}`]);
    const plain = overstruck(shown);
    for (const { words } of name === "underlay.8" ? VERBS : []) expect(plain).toContain(`underlay ${words}`);
    expect(plain).toContain("1.2.3");
    expect(plain).not.toMatch(/\\f|undefined/);
  });
});

/** Bold is a letter, a backspace and the letter again. */
function overstruck(text: string): string {
  const parts = text.split("\b");
  return parts.map((part, i) => (i === parts.length - 1 ? part : part.slice(0, -1))).join("");
}
