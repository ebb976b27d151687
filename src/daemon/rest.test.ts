import { expect, test } from "bun:test";
import { manualClock } from "../lib/clock.fixture.ts";
import { restAfter } from "./rest.ts";

function resting() {
  const clock = manualClock();
  let rests = 0;
  const rest = restAfter(() => void rests++, clock);
  return { clock, rest, rests: () => rests };
}

test("memory is given back when nothing was asked for a while, once", () => {
  const { clock, rest, rests } = resting();
  clock.pass(100_000);
  expect(rests()).toBe(0);
  for (let call = 0; call < 20; call++) {
    rest.stir();
    clock.pass(1000);
  }
  expect(rests()).toBe(0);
  clock.pass(2000);
  expect(rests()).toBe(1);
  clock.pass(100_000);
  expect(rests()).toBe(1);
  rest.stir();
  clock.pass(3000);
  expect(rests()).toBe(2);
});

test("also while something is always asked, but seldom", () => {
  const { clock, rest, rests } = resting();
  for (let second = 0; second < 300; second++) {
    rest.stir();
    clock.pass(1000);
  }
  expect(rests()).toBeGreaterThan(2);
  expect(rests()).toBeLessThan(6);
});

test("not after the end", () => {
  const { clock, rest, rests } = resting();
  rest.stir();
  rest.end();
  clock.pass(100_000);
  expect(rests()).toBe(0);
});
