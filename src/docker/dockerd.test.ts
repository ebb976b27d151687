import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dockerdAt } from "./dockerd.ts";

let folder = "";
let server: Bun.Server<undefined> | undefined;
const socket = () => join(folder, "docker.sock");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "underlay-dockerd-"));
});
afterEach(async () => {
  await server?.stop(true);
  server = undefined;
  rmSync(folder, { recursive: true });
});

function answering(answer: (request: Request) => Response | Promise<Response>) {
  server = Bun.serve({ unix: socket(), fetch: answer });
  return dockerdAt(socket(), 200);
}

const failing = (status: number) => () => Response.json({ message: "it says why" }, { status });

test("nobody there, and nobody who answers, is unreachable", async () => {
  await expect(dockerdAt(socket()).networks()).rejects.toMatchObject({ code: "unreachable" });
  const starting = answering(failing(503));
  await expect(starting.networks()).rejects.toMatchObject({ code: "unreachable" });
});

test("an answer that does not come in time is a timeout", async () => {
  const dockerd = answering(() => new Promise<Response>(() => undefined));
  await expect(dockerd.networks()).rejects.toMatchObject({ code: "timeout" });
});

test("another program's answer is told as such", async () => {
  const dockerd = answering(() => Response.json([{ Nmae: "lan" }]));
  await expect(dockerd.networks()).rejects.toMatchObject({ code: "internal" });
});

test("what dockerd says to a change is the message", async () => {
  const dockerd = answering(failing(403));
  const refused = { code: "refused", message: "it says why" };
  await expect(dockerd.createNetwork({ Name: "lan", Driver: "macvlan" })).rejects.toMatchObject(refused);
  await expect(dockerd.removeNetwork("1")).rejects.toMatchObject({
    code: "conflict",
    message: "it says why",
  });
});

test("a network that is gone is removed, a container that is gone is none", async () => {
  const dockerd = answering(failing(404));
  await dockerd.removeNetwork("1");
  expect(await dockerd.container("1")).toBeUndefined();
});

test("null and absence are the same, as Go writes them", async () => {
  const dockerd = answering(() =>
    Response.json([{ Name: "a", Id: "1", IPAM: null, Options: null, ConfigFrom: null }]),
  );
  expect(await dockerd.networks()).toEqual([
    expect.objectContaining({
      ...{ Name: "a", Driver: "", Options: {}, Labels: {}, EnableIPv6: false, ConfigFrom: { Network: "" } },
      IPAM: { Driver: "", Options: {}, Config: [] },
    }),
  ]);
});
