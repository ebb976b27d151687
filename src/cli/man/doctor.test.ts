import { expect, test } from "bun:test";
import { CONDITIONS } from "../../conditions/registry.ts";
import { VERBS } from "../verbs.ts";
import { manPages } from "./pages.ts";

const page = manPages(VERBS, "1.2.3")["underlay-doctor.8"] ?? "";

test("the page has every condition once, with its title", () => {
  const ids = [...page.matchAll(/^\\fB(UL\\-[A-Z]\d\d)\\fR /gm)].map(([, id = ""]) => id.replace("\\-", "-"));
  expect(ids.toSorted()).toEqual(CONDITIONS.map(({ id }) => id).toSorted());
});

test("the page has every flag of the verb", () => {
  for (const flag of ["\\-\\-explain", "\\-\\-fail\\-on", "\\-\\-output"])
    expect(page).toContain(`\\fB${flag}\\fR`);
});
