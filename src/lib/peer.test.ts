import { expect, test } from "bun:test";
import { readPeer } from "./peer.ts";

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["2001:DB8::0:1", "2001:db8::1"],
])("%s is a host's address, %s", (text, peer) => {
  expect<unknown>(readPeer(text)).toEqual({ value: peer });
});

test.each([
  ["beta", "is no IP address; peers are given by address, never by name"],
  ["192.0.2.7/24", "is no IP address"],
  ["192.0.2.7:4789", "is no IP address"],
  ["", "is no IP address"],
  ["0.0.0.0", "is no host's address"],
  ["::", "is no host's address"],
  ["239.1.1.1", "is a group's address"],
  ["ff02::1", "is a group's address"],
  ["255.255.255.255", "is a group's address"],
  ["127.0.0.1", "is this host itself to every host"],
  ["::1", "is this host itself to every host"],
  ["::ffff:192.0.2.7", "write it as IPv4"],
  ["fe80::1", "is a link-local address"],
])("%s is none: it %s", (text, problem) => {
  expect(readPeer(text)).toEqual({ problem: expect.stringContaining(problem) });
});
