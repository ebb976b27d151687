import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { UnderlayError } from "../lib/errors.ts";
import { attaching } from "./messages.fixture.ts";
import { execShape, MAX_MESSAGE_BYTES, networkShape, read, readMessage, teardownShape } from "./messages.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test.each([
  ["", "nothing came on stdin"],
  [" \n", "nothing came on stdin"],
  ["[]", "it must be an object, not a list"],
  ["null", "it must be an object, not null"],
  ["7", "it must be an object, not a number"],
  ["{", "cannot read the message"],
  ["[".repeat(100_000), "cannot read the message"],
  ["x".repeat(MAX_MESSAGE_BYTES + 1), "longer than 1048576 bytes"],
])("%.10p is no message", (text, why) => {
  expect(() => readMessage(bytes(text))).toThrow(why);
});

test("what is of another type is told, all at once", () => {
  const wrong = { name: 7, options: { mtu: 1500 }, subnets: [{ subnet: "10.0.0.0", gateway: "x" }] };
  expect(() => read(networkShape, wrong)).toThrow(
    "name must be a string, not 7; options.mtu must be a string, not 1500; subnets[0].subnet must be ADDRESS/PREFIX, not 10.0.0.0; subnets[0].gateway must be an IP address, not x",
  );
});

describe("null and absent are the same", () => {
  test("of a network", () => {
    const nulls = Object.fromEntries(
      ["network_interface", "internal", "options", "ipam_options", "subnets", "routes"].map((key) => [
        key,
        null,
      ]),
    );
    expect(read(networkShape, { name: "lan", ...nulls })).toEqual(read(networkShape, { name: "lan" }));
  });
});

test("a teardown reads nothing but the name", () => {
  const broken = { ...attaching({}, { interface_name: "lan7" }), network: 7, port_mappings: "x" };
  expect(read(teardownShape, broken).network_options.interface_name).toBe("lan7");
});

test("whatever comes, it is read or it is an error of ours", () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      try {
        read(execShape, readMessage(bytes(text)));
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(UnderlayError);
      }
    }),
  );
});
