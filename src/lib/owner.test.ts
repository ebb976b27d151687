import { expect, test } from "bun:test";
import { ownerWords } from "./owner.ts";

test.each([
  [`docker:${"a".repeat(64)}`, "docker:aaaaaaaaaaaa"],
  [`docker:${"a".repeat(64)}/${"0".repeat(64)}`, "docker:aaaaaaaaaaaa/000000000000"],
  ["docker:abc/def", "docker:abc/def"],
  [`docker:${"a".repeat(65)}`, `docker:${"a".repeat(65)}`],
  ["ul-k7erttbfl7iv", "ul-k7erttbfl7iv"],
])("%s is shown as %s", (owner, words) => {
  expect(ownerWords(owner)).toBe(words);
});
