import { expect, test } from "bun:test";
import { CODES, UnderlayError } from "../lib/errors.ts";
import { type Step, settleAll } from "../lib/settle.ts";
import { asCniError, asStatusError, CniError, errorText } from "./errors.ts";

test("every code of ours has one of the spec's ranges", () => {
  for (const code of CODES) {
    const told = asCniError(new UnderlayError(code, "text"));
    expect(told.message).toBe("text");
    expect([5, 6, 7, 11].includes(told.code) || told.code >= 100).toBe(true);
  }
  expect(asCniError(new UnderlayError("invalid_option", "x")).code).toBe(7);
  expect(asCniError(new UnderlayError("timeout", "x")).code).toBe(11);
  expect(asCniError(new UnderlayError("state", "x")).code).toBe(5);
});

test("a bug is 999 and says so", () => {
  expect(asCniError(new TypeError("x is not a function"))).toMatchObject({
    code: 999,
    message: "internal error: x is not a function",
  });
  expect(asCniError("text")).toMatchObject({ code: 999 });
});

test("details tell what the message does not", () => {
  const error = new UnderlayError("kernel", "cannot make eth0: no such parent", {
    errno: "ENODEV",
    kernelText: "no such parent",
  });
  expect(asCniError(error).details).toBe("ENODEV");
});

test("several errors: the first one's code, all texts, none twice", () => {
  const errors = [new CniError(50, "one", "why"), new UnderlayError("kernel", "two"), new CniError(7, "one")];
  expect(asCniError(new AggregateError(errors))).toMatchObject({
    code: 50,
    message: "one; two",
    details: "why",
  });
});

test("an error of ours that went through the engine's teardown is still ours", async () => {
  const full = new CniError(11, "pool full", "of 254");
  const failing = (thrown: unknown) => () => Promise.reject(thrown);
  const told = (steps: Step[]) => settleAll(steps).then(undefined, asCniError);
  expect(await told([failing(full)])).toBe(full);
  expect(await told([failing(new UnderlayError("kernel", "no")), failing(full)])).toMatchObject({
    code: 103,
    message: "no; pool full",
    details: "of 254",
  });
});

test("when undoing fails too, why it was undone comes first", async () => {
  const failing = async () => {
    await using undo = new AsyncDisposableStack();
    undo.defer(() => Promise.reject(new UnderlayError("kernel", "cannot undo")));
    throw new CniError(7, "no such plugin");
  };
  const told = await failing().then(undefined, asCniError);
  expect(told).toMatchObject({ code: 7, message: "no such plugin; cannot undo" });
});

test("STATUS has two codes; what has another is told as not available", () => {
  const limited = new CniError(51, "half");
  expect(asStatusError(limited)).toBe(limited);
  expect(asStatusError(new CniError(11, "full", "why"))).toMatchObject({
    code: 50,
    message: "full",
    details: "why",
  });
  expect(asStatusError(new UnderlayError("not_found", "no parent"))).toMatchObject({
    code: 50,
    message: "no parent",
  });
});

test("the document: four spaces, its version, details only when there are any", () => {
  expect(errorText(new CniError(7, "bad", "very"), "0.4.0")).toBe(
    '{\n    "cniVersion": "0.4.0",\n    "code": 7,\n    "msg": "bad",\n    "details": "very"\n}\n',
  );
  expect(JSON.parse(errorText(new CniError(4, "bad"), "1.0.0"))).toEqual({
    cniVersion: "1.0.0",
    code: 4,
    msg: "bad",
  });
  expect(errorText(new CniError(6, "x".repeat(100_000), "y".repeat(100_000)), "1.0.0").length).toBeLessThan(
    9000,
  );
});
