import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownersKnownToDocker } from "./ask.ts";

let folder = "";
let socket = "";
let server: Bun.Server<undefined> | undefined;
let asked = "";

function dockerAnswers(answer: Response): void {
  server = Bun.serve({
    unix: socket,
    fetch: (request) => {
      asked = decodeURIComponent(request.url);
      return answer;
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
  test("asks for our drivers only, and answers owners", async () => {
    dockerAnswers(Response.json([{ Id: "aa", Name: "lan", Driver: "underlay-macvlan" }, { Id: "bb" }]));
    expect(await ownersKnownToDocker(socket, ["underlay-macvlan"])).toEqual(
      new Set(["docker:aa", "docker:bb"]),
    );
    expect(asked).toContain('{"driver":["underlay-macvlan"]}');
  });

  test.each([
    ["an error", () => Response.json({ message: "starting" }, { status: 503 })],
    ["no list", () => Response.json({})],
    ["no JSON", () => new Response("<html>")],
    ["an entry without an id", () => Response.json([{ Id: "aa" }, { Name: "lan" }])],
  ])("%s is no answer", async (_what, answer) => {
    dockerAnswers(answer());
    await expect(ownersKnownToDocker(socket, [])).rejects.toThrow("dockerd does not tell its networks");
  });

  test("nobody there is no answer", async () => {
    await expect(ownersKnownToDocker(socket, [])).rejects.toMatchObject({ code: "unreachable" });
  });
});
