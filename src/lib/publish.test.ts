import { describe, expect, test } from "bun:test";
import { formatPublish, parsePublish } from "./publish.ts";

describe("as Docker's users write them", () => {
  test.each([
    "80/tcp",
    "8080:80/tcp",
    "8080-8090:80/udp",
    "127.0.0.1:8080:80/tcp",
    "[::1]:8080:80/sctp",
    "127.0.0.1:80/tcp",
    "[fd00::1]:80/tcp",
  ])("%s", (text) => {
    const publish = parsePublish(text);
    if (!publish) throw new Error("not read");
    expect(formatPublish(publish)).toBe(text);
  });

  test.each(["", "80", "tcp/80", "a:80/tcp", "300.1.1.1:80:80/tcp", "[zz]:1:80/tcp", "1:2:3:80/tcp"])(
    "%p is none",
    (text) => {
      expect(parsePublish(text)).toBeUndefined();
    },
  );
});
