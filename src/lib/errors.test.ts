import { expect, test } from "bun:test";
import { asUnderlayError, thrownIn, UnderlayError } from "./errors.ts";

const busy = new UnderlayError("kernel", "create a link: EBUSY", {
  errno: "EBUSY",
  inputs: { link: "eth0" },
});
const undone = new UnderlayError("state", "the database is read-only");

test("what is ours stays as it is, what is not is a bug", () => {
  expect(asUnderlayError(busy)).toBe(busy);
  expect(asUnderlayError(new TypeError("x is undefined"))).toMatchObject({
    code: "internal",
    message: "internal error: x is undefined",
  });
  expect(asUnderlayError("odd")).toMatchObject({ code: "internal", message: "internal error: odd" });
});

test("work that failed and could not be undone says why it failed, and then why it is still there", () => {
  const both = new SuppressedError(undone, busy);
  expect(thrownIn(both)).toEqual([busy, undone]);
  expect(asUnderlayError(both)).toMatchObject({
    code: "kernel",
    message: "create a link: EBUSY; the database is read-only",
    errno: "EBUSY",
    inputs: { link: "eth0" },
  });
});

test("several at once are all told, each text once", () => {
  const all = new AggregateError([busy, new AggregateError([busy, undone])]);
  expect(asUnderlayError(all).message).toBe("create a link: EBUSY; the database is read-only");
  expect(asUnderlayError(new AggregateError([busy]))).toBe(busy);
  expect(asUnderlayError(new AggregateError([], "nothing in it")).message).toBe(
    "internal error: nothing in it",
  );
});

test("undoing that is thrown by an await using is a SuppressedError of this shape", async () => {
  const work = async () => {
    await using undo = new AsyncDisposableStack();
    undo.defer(() => Promise.reject(undone));
    throw busy;
  };
  const thrown: unknown = await work().catch((error: unknown) => error);
  expect(thrownIn(thrown)).toEqual([busy, undone]);
});
