import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bridgeFilters } from "./bridge-filter.ts";

const root = mkdtempSync(join(tmpdir(), "underlay-bridge-filter-"));
afterAll(() => rmSync(root, { recursive: true }));

test("hooks that are on, under their sysctl names", () => {
  const folder = join(root, "bridge");
  mkdirSync(folder);
  writeFileSync(join(folder, "bridge-nf-call-iptables"), "1\n");
  writeFileSync(join(folder, "bridge-nf-call-ip6tables"), "0\n");
  expect(bridgeFilters(folder)).toEqual(["net.bridge.bridge-nf-call-iptables"]);
});

test("none without br_netfilter", () => expect(bridgeFilters(join(root, "missing"))).toEqual([]));
