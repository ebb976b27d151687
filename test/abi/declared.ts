import { join } from "node:path";
import type { Attr } from "../../src/netlink/attribute.ts";
import type { ScalarCodec, StructCodec } from "../../src/netlink/codec.ts";

/**
 * The numbers that src takes from C headers, found mechanically: constants by their spelling in the source (most are
 * private to their file), attributes by the symbol in their table, structs by the codec that declares them.
 */

export interface Declared {
  /** As C spells it: `IFLA_MTU`, `sizeof(struct nlmsghdr)`, `offsetof(struct nlmsghdr, nlmsg_seq)`. */
  readonly expression: string;
  readonly value: number;
  readonly where: string;
}

const src = join(import.meta.dir, "../../src");

/** Families of names that belong to C headers. A constant of sys or netlink that is in none of them is ours and listed below. */
const KERNEL_NAME =
  /^(AF|SOCK|SOL|SO|MSG|EFD|LOCK|CLONE|NLM_F|NLMSG|NLA|NETLINK|RTM|RTMGRP|RTNLGRP|RT|RTN|RTNH|RTPROT|RTA|IFF|IFA|IFLA|NUD|NTF|NDA|NETNSA|ARPHRD|NS|SIOC|CTRL|GENL|NL80211|BPF|MADV|STATX|S|O|RTAX|POSIX_SPAWN|NFNL|NFT|NFTA|NFPROTO|NF|IPS|IPCTNL|CTA|IPPROTO|RTEXT_FILTER|VETH|BRIDGE|ETHTOOL)_|^IFNAMSIZ$|^IPV6_V6ONLY$|^AT_(FDCWD|EMPTY_PATH|SYMLINK_FOLLOW)$|^POLL(IN|OUT|ERR|HUP)$|^WNOHANG$/;

/** `const AF_NETLINK = 16`, `RTM_NEWLINK: 16` in a table, `{ option: 10, name: "NETLINK_CAP_ACK" }`. */
const NUMBER = "(-?(?:0x[0-9a-fA-F]+|0o[0-7]+|\\d[\\d_]*))";
const SPELLINGS = [
  new RegExp(`\\bconst ([A-Z][A-Z0-9_]*) = ${NUMBER};`, "g"),
  new RegExp(`\\b([A-Z][A-Z0-9]*_[A-Z0-9_]+): ${NUMBER}(?=[,\\s}])`, "g"),
];
const OPTION = new RegExp(`option: ${NUMBER}, name: "([A-Z0-9_]+)"`, "g");

function numbersIn(text: string): [name: string, value: number][] {
  const named = SPELLINGS.flatMap((spelling) =>
    [...text.matchAll(spelling)].map(([, name = "", value]) => [name, value] as const),
  );
  const options = [...text.matchAll(OPTION)].map(([, value, name = ""]) => [name, value] as const);
  return [...named, ...options].map(([name, value = ""]) => [name, Number(value.replaceAll("_", ""))]);
}

async function sources(): Promise<[path: string, text: string][]> {
  const paths = [...new Bun.Glob("**/*.ts").scanSync(src)].filter(
    (path) => !/\.(test|golden|fixture)\.ts$/.test(path),
  );
  return Promise.all(
    paths.sort().map(async (path) => [path, await Bun.file(join(src, path)).text()] as [string, string]),
  );
}

/** Constants spelled as in a C header, in all of src. */
export async function declaredConstants(): Promise<Declared[]> {
  return (await sources()).flatMap(([where, text]) =>
    numbersIn(text)
      .filter(([name]) => KERNEL_NAME.test(name))
      .map(([name, value]) => ({ expression: name, value, where })),
  );
}

/** Constants of the kernel rooms that are spelled like none of C's. */
export async function ownConstants(): Promise<string[]> {
  return (await sources())
    .filter(([where]) => /^(sys|netlink)\//.test(where))
    .flatMap(([, text]) => numbersIn(text).map(([name]) => name))
    .filter((name) => !KERNEL_NAME.test(name));
}

function isTable(value: unknown): value is Readonly<Record<string, Attr<unknown>>> {
  if (typeof value !== "object" || value === null) return false;
  const entries: unknown[] = Object.values(value);
  return (
    entries.length > 0 &&
    entries.every(
      (entry) => typeof entry === "object" && entry !== null && "symbol" in entry && "codec" in entry,
    )
  );
}

/** The attributes of every table that a module of netlink exports. Importing them has no effect. */
export async function declaredAttributes(): Promise<Declared[]> {
  const paths = (await sources())
    .map(([path]) => path)
    .filter((path) => path.startsWith("netlink/") && path !== "netlink/worker.ts");
  const modules = await Promise.all(
    paths.map(async (path) => [path, (await import(join(src, path))) as object] as const),
  );
  return modules.flatMap(([where, module]) =>
    Object.values(module)
      .filter(isTable)
      .flatMap((table) =>
        Object.values(table).map(({ symbol, type }) => ({ expression: symbol, value: type, where })),
      ),
  );
}

/** Size of a struct and the offset of each member, under the names that C has for them; padding has none. */
export function declaredStruct(
  name: string,
  codec: StructCodec<Readonly<Record<string, ScalarCodec>>>,
  memberNames: Readonly<Record<string, string | undefined>>,
): Declared[] {
  const where = `struct ${name}`;
  const declared: Declared[] = [{ expression: `sizeof(${where})`, value: codec.size, where }];
  let at = 0;
  for (const [member, { size }] of Object.entries(codec.members)) {
    const cName = memberNames[member];
    if (cName !== undefined) {
      declared.push(
        { expression: `offsetof(${where}, ${cName})`, value: at, where },
        { expression: `sizeof(((${where} *)0)->${cName})`, value: size, where },
      );
    }
    at += size;
  }
  return declared;
}
