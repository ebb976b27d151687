import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Finding } from "../conditions/condition.ts";
import { EP_1, type FakeEngine, fakeEngine, INFO, NET_A, NET_B } from "../daemon/admin.fixture.ts";
import { adminHandler } from "../daemon/admin.ts";
import type { EndpointRecord, NetworkRecord } from "../engine/records.ts";
import { parseMac } from "../lib/mac.ts";
import { openStore } from "../store/sqlite.ts";
import { ADMIN_SOCKET } from "./client.ts";
import type { Env } from "./io.ts";
import { runCli } from "./main.ts";

/** A host for one test file: folders of its own, with or without a daemon and records. */

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Host {
  readonly stateDir: string;
  readonly runDir: string;
  /** Runs the CLI on this host; words are parted by single blanks. */
  run(line: string, options?: { readonly env?: Env; readonly tty?: boolean }): Promise<Ran>;
  /** `ofHost`: what is wrong with the host, in the daemon's eyes. */
  startDaemon(engine?: FakeEngine, ofHost?: readonly Finding[]): void;
  writeRecords(): Promise<void>;
  close(): Promise<void>;
}

export function newHost(): Host {
  const root = mkdtempSync(join(tmpdir(), "underlay-cli-"));
  const [stateDir, runDir, config] = [join(root, "state"), join(root, "run"), join(root, "empty.toml")];
  writeFileSync(config, "");
  const servers: Bun.Server<unknown>[] = [];
  return {
    stateDir,
    runDir,
    run: async (line, { env = {}, tty = false } = {}) => {
      const written = { out: "", err: "" };
      const code = await runCli(
        line.split(" ").filter((part) => part !== ""),
        { UNDERLAY_CONFIG: config, UNDERLAY_STATE_DIR: stateDir, UNDERLAY_RUN_DIR: runDir, ...env },
        {
          stdout: (text) => {
            written.out += text;
          },
          stderr: (text) => {
            written.err += text;
          },
          stdoutIsTty: tty,
          stderrIsTty: tty,
        },
      );
      return { code, ...written };
    },
    startDaemon: (engine = fakeEngine(), ofHost = []) => {
      mkdirSync(runDir, { recursive: true });
      const handler = adminHandler(engine, { ...INFO, host: () => ofHost });
      servers.push(Bun.serve({ unix: join(runDir, ADMIN_SOCKET), fetch: handler }));
    },
    writeRecords: () => writeRecords(stateDir),
    close: async () => {
      for (const server of servers) await server.stop(true);
      rmSync(root, { recursive: true });
    },
  };
}

async function writeRecords(stateDir: string): Promise<void> {
  const store = openStore(stateDir);
  const mac = parseMac("02:11:22:33:44:55");
  if (!mac) throw new Error("the fixture's own MAC does not parse");
  const network = (id: string, parent: string): NetworkRecord => ({
    owner: `docker:${id}`,
    kind: "macvlan",
    state: "active",
    options: { parent },
    spec: { kind: "macvlan", parent: { how: "name", name: parent }, mode: "bridge" },
    allow: [],
    parent: { name: parent, ifindex: 2, bootId: "b" },
    subnets: [{ pool: "192.168.7.0/24", gateway: "192.168.7.1", aux: {} }],
    internal: false,
    ipv6: false,
    createdAt: "2026-01-02T03:00:00.000Z",
  });
  const endpoint: EndpointRecord = {
    owner: `docker:${NET_A}/${EP_1}`,
    network: `docker:${NET_A}`,
    state: "provisioned",
    addresses: ["192.168.7.9/24"],
    mac,
    macChosenByUser: false,
    publishes: [],
    bootId: "b",
    createdAt: "2026-01-02T03:04:00.000Z",
  };
  for (const body of [network(NET_A, "eth0"), network(NET_B, "eth9")])
    await store.table<NetworkRecord>("networks").put(body.owner, body, 0);
  await store.table<EndpointRecord>("endpoints").put(endpoint.owner, endpoint, 0);
  store.close();
}
