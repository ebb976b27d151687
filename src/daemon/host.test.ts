import { expect, test } from "bun:test";
import { missingKind } from "../conditions/host.fixture.ts";
import type { Files } from "../links/host/read.ts";
import { hostWatch } from "./host.ts";

const files: Files = {
  text: (path) => (path === "/sys/class/dmi/id/sys_vendor" ? "QEMU" : undefined),
  exists: (path) => path === "/run/systemd/system",
  inode: () => undefined,
};

test("the daemon's own look at its host, with the kinds asked for once", async () => {
  let asked = 0;
  let networks = 0;
  const watch = hostWatch({
    files,
    pid: 7,
    dockerSocket: "/run/docker.sock",
    kinds: async () => {
      asked++;
      return [missingKind("dummy", "dummy")];
    },
    networks: () => networks,
  });
  const ids = () => watch.findings()?.map(({ id }) => id);
  expect(ids()).toBeUndefined();
  await watch.look();
  expect(ids()).toEqual(["UL-H04", "UL-K01"]);
  networks = 1;
  await watch.look();
  expect(ids()).toEqual(["UL-H04", "UL-R03", "UL-K01"]);
  expect(asked).toBe(1);
});
