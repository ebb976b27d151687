import { expect, test } from "bun:test";
import { STATIC_JOBS, testFiles, testJobs } from "./groups.ts";

test("every test file is in exactly one job", () => {
  const files = [...testFiles(), "test/somewhere/new.test.ts"];
  const inJobs = testJobs(files).flatMap((job) => ("files" in job.run ? job.run.files : []));
  expect(inJobs.toSorted()).toEqual(files.toSorted());
});

test("files with dockerds of their own are jobs of their own, unit tests are one", () => {
  const files = [
    "src/lib/ip.test.ts",
    "src/lib/mac.test.ts",
    "test/clients/a.test.ts",
    "test/clients/b.test.ts",
    "test/live/ovsdb.test.ts",
    "test/live/cni-ovs.test.ts",
    "test/live/cni-bridge.test.ts",
    "test/lab/20-b.test.ts",
    "test/lab/10-a.test.ts",
  ];
  expect(testJobs(files).map((job) => job.name)).toEqual([
    "test/lab/10-a.test.ts",
    "test/lab/20-b.test.ts",
    "test/clients/a.test.ts",
    "test/clients/b.test.ts",
    "switch",
    "live",
    "unit",
  ]);
  expect(testJobs(files, ["unit"]).map((job) => job.name)).toEqual(["unit"]);
});

test("types and lint are judged too", () => {
  expect(STATIC_JOBS.map((job) => job.name)).toEqual(["types", "lint"]);
});
