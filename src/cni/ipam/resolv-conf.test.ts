import { expect, test } from "bun:test";
import { parseResolvConf } from "./resolv-conf.ts";

test("a simple one", () => {
  expect(parseResolvConf("nameserver 192.0.2.0\nnameserver 192.0.2.1\n")).toEqual({
    nameservers: ["192.0.2.0", "192.0.2.1"],
  });
});

test("comments do not count, wherever they are", () => {
  const text = "nameserver 192.0.2.0\n;nameserver 192.0.2.1\n # search example.com\n#domain x\n\n  \n";
  expect(parseResolvConf(text)).toEqual({ nameservers: ["192.0.2.0"] });
});

test("all that is passed on", () => {
  const text = `
nameserver 192.0.2.0
\tnameserver\t2001:db8::53
domain example.org
domain example.com
search example.com example.org
search more.example
options one two
options three
sortlist 1 2
nameserver
`;
  expect(parseResolvConf(text)).toEqual({
    nameservers: ["192.0.2.0", "2001:db8::53"],
    domain: "example.com",
    search: ["example.com", "example.org", "more.example"],
    options: ["one", "two", "three"],
  });
});
