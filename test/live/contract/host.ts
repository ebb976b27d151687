import { join } from "node:path";
import type { Age } from "../../ground/engines.ts";
import { openTestNetns, type TestNetns, testNetnsAt } from "../../ground/netns.ts";
import { type Switch, startSwitch } from "../../ground/ovs.ts";
import { referencePlugins } from "../../ground/reference-cni.ts";
import { must } from "../../ground/run.ts";

/** A netns that plays the host, with a switch in it where the driver wants one. */
export interface Host extends AsyncDisposable {
  readonly netns: TestNetns;
  readonly ovs?: Switch;
  ip(words: string): string;
  vsctl(...args: string[]): Promise<string>;
  /** nft(8) in the netns. */
  nft(...args: string[]): Promise<string>;
}

/** What the networks of a driver hang on. */
export interface Ground {
  /** Of the switch that runs; absent: none does. */
  readonly age?: Age;
  /** What is there before the first network. */
  readonly make?: (host: Host) => Promise<void>;
  /** Somebody takes it away while it is used; absent: there is nothing of the kind. */
  readonly take?: (host: Host) => Promise<void>;
  /** Names of links that are made with the first container and stay. */
  readonly stays?: readonly string[];
}

/** `path`: of a netns that is there already, and stays. */
export async function openHost({ age, make }: Ground, path?: string): Promise<Host> {
  await using undo = new AsyncDisposableStack();
  const netns = undo.use(path === undefined ? openTestNetns() : testNetnsAt(path));
  const ovs = age && undo.use(await startSwitch({ age, netns: netns.path }));
  const root = join(await referencePlugins(), "../../..");
  const nft = ["nsenter", `--net=${netns.path}`, "chroot", root, "/usr/sbin/nft"];
  const owned = undo.move();
  const host: Host = {
    netns,
    ...(ovs && { ovs }),
    ip: (words) => netns.ip(...words.split(" ")),
    vsctl: (...args) => ovs?.vsctl(...args) ?? Promise.reject(new Error("there is no switch")),
    nft: (...args) => must([...nft, ...args]),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
  await make?.(host);
  return host;
}

/** Links, ports and rules of the host, without what the ground says that it stays. */
export async function tracesOn({ netns, ovs, nft }: Host, stays: readonly string[] = []): Promise<string[]> {
  const links = netns.ipJson("link", "show").map(({ ifname }) => String(ifname));
  const [rows = "", rules] = await Promise.all([ovs?.vsctl(...ROWS), nft("list", "ruleset")]);
  return [
    ...links.filter((name) => !stays.includes(name)).map((name) => `link ${name}`),
    ...rows
      .split("\n")
      .filter((row) => row !== "")
      .map((row) => `row ${row}`),
    ...rules.split("\n").filter((line) => OF_OURS.test(line)),
  ].sort();
}

const listed = (table: string) => ["--columns=name", "list", table];
const ROWS = ["--format=csv", "--no-headings", ...listed("Bridge"), "--", ...listed("Port")];

/** A table of ours, or a rule about a container. */
const OF_OURS = /\bunderlay|\b10\.6[01]\.|\bfd6[01]:|\bcni-br-iface-|\bmacspoofchk-/;
