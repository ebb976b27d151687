import { afterAll, describe, expect, test } from "bun:test";
import { EP_1, fakeEngine, NET_A, NET_C } from "../../daemon/admin.fixture.ts";
import { newHost } from "../cli.fixture.ts";
import { flagsOf } from "../flags.ts";
import { VERBS } from "../verbs.ts";
import { answerLines, candidates } from "./candidates.ts";
import { COMPLETE } from "./shells.ts";

const names = async (name: string) => [
  { word: `${name.toLowerCase()}-1`, help: "one" },
  { word: `${name.toLowerCase()}-2`, help: "two" },
];

async function complete(...words: string[]) {
  const answer = await candidates(words, VERBS, names);
  return typeof answer === "string" ? answer : answer.map(({ word }) => word);
}

describe("what comes next", () => {
  test.each([
    [["st"], ["status"]],
    [
      ["network", ""],
      ["ls", "inspect"],
    ],
    [["network", "i"], ["inspect"]],
    [
      ["network", "inspect", ""],
      ["network-1", "network-2"],
    ],
    [["network", "show", "network-2"], ["network-2"]],
    [["network", "inspect", "network-1", ""], []],
    [["network", "inspect", "-o", "json", "e"], []],
    [
      ["endpoint", "inspect", "e"],
      ["endpoint-1", "endpoint-2"],
    ],
    [
      ["peer", ""],
      ["ls", "add", "rm"],
    ],
    [
      ["peer", "ls", ""],
      ["network-1", "network-2"],
    ],
    [
      ["peer", "add", ""],
      ["network-1", "network-2"],
    ],
    [
      ["peer", "add", "network-1", ""],
      ["address...-1", "address...-2"],
    ],
    [
      ["peer", "rm", "network-1", "peer...-1", ""],
      ["peer...-1", "peer...-2"],
    ],
    [["cni", "check", ""], ":files"],
    [["cni", "migrate", "/etc/cni/net.d", ""], ":dirs"],
    [
      ["cni", "install", "--plugins", ""],
      ["names-1", "names-2"],
    ],
    [["help", "netw"], ["network"]],
    [
      ["help", "network", ""],
      ["ls", "inspect"],
    ],
    [["help", "network", "inspect", ""], []],
    [["nonsense", ""], []],
    [["network", "ls", "--out"], ["--output"]],
    [
      ["network", "ls", "-o", "j"],
      ["json", "jsonl"],
    ],
    [["network", "ls", "-qo", "w"], ["wide"]],
    [["network", "ls", "--output=n"], ["--output=name"]],
    [["network", "ls", "--output", "=", "n"], ["name"]],
    [["daemon", "--log-level", "d"], ["debug"]],
    [
      ["daemon", "--macvlan-mode=p"],
      ["--macvlan-mode=private", "--macvlan-mode=passthru"],
    ],
    [
      ["daemon", "--macvlan-parent", ""],
      ["link-1", "link-2"],
    ],
    [["--color", "never", "gc", "--dr"], ["--dry-run"]],
    [["status", "--state-dir", "/v"], ":dirs"],
    [["status", "--config=/e"], ":files"],
    [["status", "--nonsense=x"], []],
    [
      ["completion", ""],
      ["shell-1", "shell-2"],
    ],
  ])("%p: %p", async (words, wanted) => expect<unknown>(await complete(...words)).toEqual(wanted));

  test("the first word is any noun or verb of the table, and help", async () => {
    const first = new Set(VERBS.map(({ words }) => words.split(" ")[0] ?? ""));
    expect(await complete("")).toEqual([...first, "help"]);
  });

  test.each(VERBS.map((verb) => [verb.words, verb] as const))("%s: all its flags", async (words, verb) => {
    expect(await complete(...words.split(" "), "--")).toEqual(flagsOf(verb).map(({ long }) => long));
  });
});

describe("names of the host", () => {
  const host = newHost();
  afterAll(() => host.close());

  test("nothing is said when there is no daemon and no record", async () => {
    expect(await host.run(`${COMPLETE} network inspect 1`)).toEqual({ code: 0, out: "", err: "" });
  });

  test("come from the records, then from the daemon; a broken line before them does no harm", async () => {
    await host.writeRecords();
    const offline = await host.run(`${COMPLETE} network inspect 1`);
    expect(offline).toMatchObject({ code: 0, err: "" });
    expect(offline.out).toStartWith(`${NET_A.slice(0, 12)}\tmacvlan on eth0 192.168.7.0/24\n`);

    host.startDaemon();
    const { out, err } = await host.run(`${COMPLETE} endpoint inspect --nonsense ${EP_1[0]}`);
    expect([out, err]).toEqual([expect.stringContaining(`${EP_1.slice(0, 12)}\t192.168.7.`), ""]);
    expect((await host.run(`${COMPLETE} daemon --macvlan-parent=e`)).out).toStartWith(
      "--macvlan-parent=eth0\tnetworks ",
    );
  });

  test("are those that fit what stands before them", async () => {
    const spanning = newHost();
    spanning.startDaemon(fakeEngine({ spans: true }));
    const network = NET_C.slice(0, 12);
    const complete = async (line: string) => (await spanning.run(`${COMPLETE} ${line}`)).out;
    await spanning.run(`peer add ${network} 192.0.2.3 192.0.2.4`);
    expect(await complete(`peer rm ${network} 1`)).toMatch(
      /^192\.0\.2\.3\tult-[a-z2-7]{11} failed\n192\.0\.2\.4\tult-[a-z2-7]{11} missing\n$/,
    );
    expect(await complete(`peer rm ${network} 192.0.2.4 1`)).toStartWith("192.0.2.3\t");
    expect(await complete(`peer rm ${network} 192.0.2.4 192.0.2.3 1`)).toBe("");
    expect(await complete("peer rm nonsense 1")).toBe("");
    expect(await complete(`peer add ${network} 1`)).toBe("");
    expect(await complete(`peer add ${NET_A} 192.0.2.3 1`)).toBe("192.0.2.2\t\n192.0.2.4\t\n");
    await spanning.close();
  });

  test("an id of a condition is known without asking", async () => {
    const { CONDITIONS } = await import("../../conditions/registry.ts");
    const { hostNames } = await import("./names.ts");
    const ids = await hostNames(() => Promise.reject(new Error("nobody asks")))("ID", []);
    expect(ids.map(({ word }) => word)).toEqual(CONDITIONS.map(({ id }) => id));
  });
});

test("control characters of a name do not reach the shell", () => {
  expect(answerLines([{ word: "a\tb\n", help: "\u001b[31m" }])).toBe("a?b?\t?[31m\n");
});
