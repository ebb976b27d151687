import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownersKnownToDocker } from "./ask.ts";

let folder = "";
let socket = "";
let server: Bun.Server<undefined> | undefined;
const asked: string[] = [];

function dockerAnswers(answers: (path: string) => Response): void {
  server = Bun.serve({
    unix: socket,
    fetch: (request) => {
      const path = decodeURIComponent(request.url.replace(/^http:\/\/docker/, ""));
      asked.push(path);
      return answers(path);
    },
  });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "underlay-ask-"));
  socket = join(folder, "docker.sock");
});

afterEach(async () => {
  await server?.stop(true);
  server = undefined;
  rmSync(folder, { recursive: true });
});

describe("ownersKnownToDocker", () => {
  test("asks for our drivers only, and answers owners of networks and endpoints", async () => {
    const details: Record<string, object> = {
      "/networks/aa": { Containers: { c1: { EndpointID: "e1" }, c2: { EndpointID: "e2" } } },
      "/networks/bb": { Containers: null },
    };
    const lists = [{ Id: "aa", Name: "lan", Driver: "underlay-macvlan" }, { Id: "bb" }, { Id: "gone" }];
    dockerAnswers((path) => {
      if (path.startsWith("/networks?")) return Response.json(lists);
      return details[path] ? Response.json(details[path]) : new Response("", { status: 404 });
    });
    const owners = await ownersKnownToDocker(socket, ["underlay-macvlan"]);
    expect([...owners].sort()).toEqual(["docker:aa", "docker:aa/e1", "docker:aa/e2", "docker:bb"]);
    expect(asked[0]).toContain('{"driver":["underlay-macvlan"]}');
  });

  test.each([
    ["an error", () => Response.json({ message: "starting" }, { status: 503 })],
    ["no list", () => Response.json({})],
    ["no JSON", () => new Response("<html>")],
    ["an entry without an id", () => Response.json([{ Id: "aa" }, { Name: "lan" }])],
  ])("%s is no answer", async (_what, answer) => {
    dockerAnswers(answer);
    await expect(ownersKnownToDocker(socket, [])).rejects.toThrow("dockerd does not tell its networks");
  });

  test("nobody there is no answer", async () => {
    await expect(ownersKnownToDocker(socket, [])).rejects.toMatchObject({ code: "unreachable" });
  });
});
