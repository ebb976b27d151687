import { expect, test } from "bun:test";
import { UnderlayError } from "../../lib/errors.ts";
import { withHolder } from "./tunnel-port.ts";

const said = "Open vSwitch cannot take ult1 as a port of br0: could not add network device ult1 to ofproto";
const failure = (why: string) =>
  new UnderlayError("kernel", `${said} (${why})`, { inputs: { link: "ult1" } });
const told = async (...asked: Parameters<typeof withHolder>) => {
  const error = await withHolder(...asked);
  return error instanceof UnderlayError ? [error.code, error.message] : [];
};

test("a tunnel that lacks its UDP port names who has it, and every other failure stays", async () => {
  const inUse = failure("Address already in use");
  const words = (who: string) => [
    "conflict",
    `UDP port 4789, which tunnels need, is taken by ${who}: ${inUse.message}`,
  ];
  expect(await told(inUse, async () => ({ kind: "link", name: "vx0" }))).toEqual(words("VXLAN link vx0"));
  expect(await told(inUse, async () => ({ kind: "process", name: "iperf (process 7)" }))).toEqual(
    words("iperf (process 7)"),
  );
  expect(await told(inUse, async () => ({ kind: "elsewhere" }))).toEqual(
    words("a VXLAN link in another network namespace"),
  );
  expect(await told(inUse, async () => undefined)).toEqual(words("somebody who cannot be told"));
  const other = failure("File exists");
  expect(await withHolder(other, () => Promise.reject(new Error("asked in vain")))).toBe(other);
});
