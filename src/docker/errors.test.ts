import { describe, expect, test } from "bun:test";
import { CODES, problemsError, UnderlayError } from "../lib/errors.ts";
import { errorReply, HttpRefusal } from "./errors.ts";

describe("how Docker is told", () => {
  test.each(CODES.map((code) => [code] as const))("code %s: status and both keys", (code) => {
    const { status, body } = errorReply(new UnderlayError(code, "it is so"));
    expect(status).toBe(code === "invalid_request" ? 400 : 200);
    expect(body.Err).toStartWith("it is so");
    expect(body.Error).toBe(body.Err);
  });

  test("an error without words is told by its code: an empty Err would be success", () => {
    expect(errorReply(new UnderlayError("kernel", "")).body.Err).toBe("kernel");
  });

  test("a timeout says that the work goes on", () => {
    const { body } = errorReply(new UnderlayError("timeout", "NetworkDriver.Join takes too long"));
    expect(body.Err).toBe("NetworkDriver.Join takes too long; the work goes on, try again");
  });

  test("a bug is told without its stack", () => {
    const { status, body } = errorReply(new TypeError("x is undefined"));
    expect(status).toBe(200);
    expect(body.Err).toBe("internal error: x is undefined; this is a bug of Underlay, its log tells more");
  });

  test("what was thrown and is no error at all", () => {
    expect(errorReply(undefined).body.Err).toStartWith("internal error: undefined");
  });

  test("problems are told once each", () => {
    const problems = [
      { subject: "parent", message: "parent eth9 does not exist" },
      { subject: "mtu", message: "MTU 67 is less than 68" },
    ];
    const text = "parent eth9 does not exist; MTU 67 is less than 68";
    expect(errorReply(problemsError("invalid_option", problems)).body.Err).toBe(text);
    const titled = new UnderlayError("refused", "UL-P01", { problems });
    expect(errorReply(titled).body.Err).toBe(`UL-P01; ${text}`);
  });

  test("is one line of whole characters, bounded", () => {
    const hostile = `a\nb\r\n\u0000\u001b[31mc\u2028d \ud800 ${"\u{1f4a5}".repeat(100_000)}`;
    const { body } = errorReply(new UnderlayError("refused", hostile));
    expect(body.Err).toStartWith("a b [31mc d \ufffd \u{1f4a5}");
    expect(body.Err.length).toBeLessThan(4100);
    expect(body.Err).toBe(body.Err.toWellFormed());
  });

  test("HTTP's own refusals keep their status", () => {
    expect(errorReply(new HttpRefusal(404, "no")).status).toBe(404);
  });
});
