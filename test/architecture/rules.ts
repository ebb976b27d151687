/**
 * The import table of DESIGN section 2 as data. `check.ts` enforces it and prints `why` when it is broken;
 * a room that is not here may not exist, and a room that is here must.
 */

export interface Room {
  /** Rooms it may import besides itself; "all" for composition roots. */
  readonly may: readonly string[] | "all";
  /** The only rooms that load with it; everything else it imports lazily, `() => import(…)`. */
  readonly eagerly?: readonly string[];
  readonly why: string;
  /** A room of DESIGN that has no file yet. */
  readonly planned?: true;
}

const kernelRooms = ["lib", "sys", "netlink"];
const wireRooms = ["nft", "ovsdb", "openflow"];

/** Folders of src, and files directly in it (`main`, `wiring`). */
export const ROOMS: Readonly<Record<string, Room>> = {
  lib: {
    may: [],
    why: "lib is values and pure helpers: whoever imports it must get no I/O and no state with it",
  },
  sys: {
    may: ["lib"],
    why: "sys is libc and nothing else, so that FFI can be replaced in one room",
  },
  netlink: {
    may: ["lib", "sys"],
    why: "a wire format knows no container and no other wire format, so that it can be proved by bytes alone",
  },
  nft: { may: ["lib", "sys"], why: "as netlink", planned: true },
  ovsdb: { may: ["lib", "sys"], why: "as netlink" },
  openflow: { may: ["lib", "sys"], why: "as netlink" },
  store: {
    may: ["lib", "sys"],
    why: "the store keeps rows and knows neither what a body means nor the kernel",
  },
  ipam: {
    may: ["lib"],
    why: "allocation is a pure function of pool and taken addresses; storage is dumb",
  },
  conditions: {
    may: [...kernelRooms, ...wireRooms],
    why: "a condition judges facts that are handed in; it never acts, stores or asks a driver",
  },
  links: {
    may: [...kernelRooms, ...wireRooms],
    why: "a driver turns a spec into links; order, records and refusals are the engine's",
  },
  sandbox: {
    may: kernelRooms,
    why: "what is done inside a container's netns is the same for every link kind",
  },
  engine: {
    may: ["lib", "ipam", "links", "sandbox", "conditions", "store"],
    why: "the engine orders work in no protocol's words; it reaches the kernel only through links and sandbox",
  },
  docker: {
    may: ["lib", "engine"],
    why: "an adapter translates one protocol and is handed its engine, so that no protocol leaks into another",
  },
  cni: { may: ["lib", "engine"], why: "as docker" },
  netavark: { may: ["lib", "engine"], why: "as docker" },
  install: {
    may: ["lib"],
    why: "files are put in place without knowing a network; what runs and what would be lost is asked by the cli",
  },
  wiring: { may: "all", why: "a composition root chooses the parts and decides nothing" },
  daemon: { may: "all", why: "as wiring" },
  cli: { may: "all", why: "as wiring" },
  main: {
    may: "all",
    eagerly: ["lib", "sys"],
    why: "main loads exactly one program: what one CNI ADD loads is budgeted in milliseconds",
  },
};

/**
 * Folders inside links: these are no kinds. A kind may import `parent`, `veth` and `nat` (one table of the host's serves
 * the gateways of all kinds); files directly in links are the contract that all share, and may do the same: every link
 * hangs on a parent.
 */
export const SHARED_BY_KINDS = ["parent", "veth", "nat"];
export const NOT_A_KIND = [...SHARED_BY_KINDS, "watch", "host"];
export const WHY_KINDS =
  "what two kinds share belongs in links/parent, links/veth or links/nat, else a kind cannot change alone";

export interface Ban {
  readonly what: string;
  /** Matched against an import's path, against code without comments and strings, or without comments only. */
  readonly in: "imports" | "code" | "text";
  readonly pattern: RegExp;
  /** Rooms where it is allowed … */
  readonly onlyIn?: readonly string[];
  /** … or the rooms where it is not. Neither given: nowhere. */
  readonly neverIn?: readonly string[];
  readonly why: string;
}

export const BANS: readonly Ban[] = [
  {
    what: "bun:ffi",
    in: "imports",
    pattern: /^bun:ffi$/,
    onlyIn: ["sys"],
    why: "the day a better FFI exists one room changes (DESIGN 8.1)",
  },
  {
    what: "bun:sqlite",
    in: "imports",
    pattern: /^bun:sqlite$/,
    onlyIn: ["store"],
    why: "nothing but the store opens the database (DESIGN 5)",
  },
  {
    what: "setns or unshare",
    in: "code",
    pattern: /\b(setns|unshare)\b/,
    onlyIn: ["sys"],
    why: "a netns is entered only inside the synchronous bracket of sys; awaiting inside strands a pool thread (DESIGN 4)",
  },
  {
    what: "process.env",
    in: "code",
    pattern: /\b(process|Bun)\s*\.\s*env\b|\bimport\.meta\.env\b/,
    onlyIn: ["wiring", "daemon", "cli", "main"],
    why: "settings are read by composition roots and handed down, so that a test and a second daemon can differ",
  },
  {
    what: "a verb of Docker or CNI",
    in: "code",
    pattern: /\b(?:(?:Join|Leave|SandboxKey|(?:Create|Delete)(?:Network|Endpoint))(?![a-z])\w*|ADD|DEL)\b/,
    neverIn: ["engine", "links", "store", "conditions"],
    why: "no protocol's verbs are the engine's (DESIGN 3): declare, provision, forget, ensure, remove",
  },
  {
    what: "I/O",
    in: "imports",
    pattern: /^(bun:|node:(fs|net|http|https|dgram|child_process|worker_threads|os|dns|tls|cluster)\b)/,
    neverIn: ["lib", "ipam"],
    why: "pure rooms are tested by tables and properties, without a machine",
  },
  {
    what: "link state from sysfs",
    in: "text",
    pattern: /\/sys\/class\/net/,
    why: "/sys shows the netns of whoever mounted it; links are read by netlink (DESIGN 4)",
  },
  {
    what: "a started process",
    in: "code",
    pattern: /\bBun\.(spawn|spawnSync|\$)/,
    onlyIn: ["nft", "cni", "install"],
    why: "as another program; install asks systemctl about our own unit",
  },
  {
    what: "another program",
    in: "imports",
    pattern: /^(node:)?child_process$/,
    onlyIn: ["nft", "cni"],
    why: "the kernel is asked by netlink, not by parsing what a tool prints",
  },
  {
    what: "a test or a tool",
    in: "imports",
    pattern: /\.test\.ts$|\.golden\.ts$|\/(test|bench|tools)\//,
    why: "what ships does not depend on what proves it",
  },
  {
    what: "module-level mutable state",
    in: "code",
    pattern: /^(export )?(let|var) /m,
    why: "two engines in one process must not meet; state lives in what a constructor returns",
  },
];

/** A file with more lines is asking to be two. */
export const MAX_LINES = 300;
/** Files that are one table, by path: they may be longer. */
export const TABLES: readonly string[] = [];
