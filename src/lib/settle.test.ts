import { expect, test } from "bun:test";
import { UnderlayError } from "./errors.ts";
import { settleAll } from "./settle.ts";

test("teardown goes on past errors, in order, and tells one as it was", async () => {
  const ran: number[] = [];
  const broken = new UnderlayError("kernel", "second", { errno: "EBUSY" });
  const steps = [
    () => void ran.push(1),
    async () => {
      ran.push(2);
      throw broken;
    },
    () => void ran.push(3),
  ];
  await expect(settleAll(steps)).rejects.toBe(broken);
  expect(ran).toEqual([1, 2, 3]);
  await settleAll([]);
});

test("several errors are told together, the first giving the code, all of them kept", async () => {
  const told: unknown = await settleAll([
    () => {
      throw new UnderlayError("kernel", "one", { inputs: { link: "m0" } });
    },
    () => Promise.reject(new Error("two")),
  ]).catch((thrown: unknown) => thrown);
  expect(told).toBeInstanceOf(UnderlayError);
  if (!(told instanceof UnderlayError)) return;
  expect(told.message).toBe("one; internal error: two");
  expect(told.code).toBe("kernel");
  expect(told.inputs).toEqual({ link: "m0" });
  expect(told.cause).toBeInstanceOf(AggregateError);
  expect(told.cause instanceof AggregateError && told.cause.errors).toHaveLength(2);
});
