import { describe, expect, test } from "bun:test";
import { isWhatTheGuideShows, readGuide } from "./guide.ts";

const GUIDE = `# Title

\`\`\`
a picture
\`\`\`

## First

\`\`\`sh newest
# what it does
docker network create \\
    --subnet 192.168.1.0/24 lan

docker network ls
\`\`\`
\`\`\`text
lan … underlay-macvlan
\`\`\`

## Second

\`\`\`yaml compose.yaml
services: {}
\`\`\`
\`\`\`sh fails
# on beta
false
\`\`\`
`;

test("commands keep the lines they have in the guide", () => {
  expect(readGuide(GUIDE)).toEqual([
    {
      kind: "commands",
      line: 9,
      section: "First",
      newest: true,
      fails: false,
      commands: [
        { line: 11, text: "docker network create \\\n    --subnet 192.168.1.0/24 lan" },
        { line: 14, text: "docker network ls" },
      ],
      prints: { line: 16, text: "lan … underlay-macvlan" },
    },
    { kind: "file", line: 22, section: "Second", name: "compose.yaml", text: "services: {}\n" },
    {
      kind: "commands",
      line: 25,
      section: "Second",
      newest: false,
      fails: true,
      machine: "beta",
      commands: [{ line: 27, text: "false" }],
    },
  ]);
});

describe("nothing in a guide goes untested", () => {
  test.each([
    ["```sh oldest\ntrue\n```", "line 1: unknown mark oldest"],
    ["```text\nlan\n```", "line 1: no command prints this"],
    ["\n```yaml\na: 1\n```", "line 2: nobody tests a block of yaml"],
    ["```bash\ntrue\n```", "line 1: nobody tests a block of bash"],
    ["```sh\ntrue", "line 1: the block does not end"],
    ["```sh\ntrue \\\n```", "line 3: a command ends in a backslash"],
  ])("%j", (text, message) => {
    expect(() => readGuide(text)).toThrow(message);
  });
});

test.each([
  ["a … c", "a b\nb  c\n", true],
  ["a … c", "a b d", false],
  ["ab", "xab", false],
  ["default via 192.168.1.1 dev eth0", "default  via 192.168.1.1 dev eth0 \r\n", true],
  ["192.168.1.1", "192x168.1.1", false],
  ["…\nb\n…", "a\nb\nc", true],
])("shown %j, printed %j: %p", (shown, printed, same) => {
  expect(isWhatTheGuideShows(shown, printed)).toBe(same);
});
