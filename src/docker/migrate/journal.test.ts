import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { DockerNetwork } from "../dockerd.ts";
import { DOCKER_20, DOCKER_28 } from "./dockerd.golden.ts";
import { fileJournal } from "./journal.ts";

let folder = "";
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), "underlay-journal-")), "state");
});
afterEach(() => rmSync(join(folder, ".."), { recursive: true }));

test.each([...DOCKER_20.networks, ...DOCKER_28.networks])("keeps all of %.24s", (text) => {
  const entry = { network: v.parse(DockerNetwork, JSON.parse(text)), to: "underlay-macvlan" };
  fileJournal(folder).write(entry);
  expect(fileJournal(folder).read()).toEqual(entry);
  expect(readdirSync(folder)).toEqual(["migrate-docker.json"]);
  expect(statSync(join(folder, "migrate-docker.json")).mode & 0o777).toBe(0o600);
  fileJournal(folder).clear();
  fileJournal(folder).clear();
  expect(fileJournal(folder).read()).toBeUndefined();
});

test("nothing is made by looking", () => {
  expect(fileJournal(folder).read()).toBeUndefined();
  expect(existsSync(folder)).toBe(false);
});

test("what is not understood is an error that names the file, and no lost network", () => {
  fileJournal(folder).write({ network: v.parse(DockerNetwork, { Name: "lan", Id: "1" }), to: "x" });
  writeFileSync(join(folder, "migrate-docker.json"), "{");
  expect(() => fileJournal(folder).read()).toThrow(join(folder, "migrate-docker.json"));
});
