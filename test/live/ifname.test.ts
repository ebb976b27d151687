import { expect, test } from "bun:test";
import fc from "fast-check";
import { ifnameProblem } from "../../src/lib/ifname.ts";
import { getLink, newLinkRequest, setLinkRequest } from "../../src/netlink/link.ts";
import { liveNetns } from "./netns.ts";

/** The names that we let pass are those that the kernel takes. */

const odd = [
  "",
  ".",
  "..",
  "...",
  "a/b",
  "a:b",
  "a b",
  "a\tb",
  "a\u00a0b",
  "à",
  "a%d",
  "%",
  "ü",
  "-x",
  "A".repeat(15),
  "A".repeat(16),
  "é".repeat(8),
  "日本語日本",
  "all",
  "default",
  "lo",
];
const pieces = fc.constantFrom(
  "a",
  "0",
  "-",
  "_",
  ".",
  "@",
  "%",
  "d",
  " ",
  "/",
  ":",
  "é",
  "à",
  "\u00a0",
  "\t",
  "\v",
  "\n",
  "日",
  "'",
  '"',
  "\\",
  "\u007f",
  "\u2003",
);
const names = fc.oneof(
  fc.constantFrom(...odd),
  fc.array(pieces, { maxLength: 9 }).map((parts) => parts.join("")),
);

test("a link name is refused exactly when the kernel refuses it", async () => {
  using live = liveNetns();
  await live.conversation.request(newLinkRequest({ name: "start", info: { kind: "bridge" } }));
  const { header } = (await getLink(live.conversation, { name: "start" })) ?? {};
  const ifindex = header?.index ?? 0;
  await fc.assert(
    fc.asyncProperty(
      names.filter((name) => name !== "lo"),
      async (name) => {
        const [outcome] = await live.conversation.settle([setLinkRequest({ ifindex }, { name })]);
        const now = await getLink(live.conversation, { ifindex });
        const taken = outcome?.ok === true && now?.attrs.name === name;
        expect([name, ifnameProblem(name) === undefined]).toEqual([name, taken]);
      },
    ),
    { numRuns: 500 },
  );
});
