import { PROGRAM } from "../ground/daemon.ts";
import type { Lab } from "./scenario.ts";

/** A name server: every name is 10.99.0.1. */
const NAMES = `
  await Bun.udpSocket({ hostname: "0.0.0.0", port: 53, socket: { data(socket, query, port, address) {
    const end = query.indexOf(0, 12) + 5;
    const isA = query.readUInt16BE(end - 4) === 1;
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(0x8580, 2); head.writeUInt16BE(isA ? 1 : 0, 6); head.fill(0, 8);
    const record = [0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 99, 0, 1];
    socket.send(Buffer.concat([head, query.subarray(12, end), Buffer.from(isA ? record : [])]), port, address);
  } } });
  console.log("serving");
`;

/** What every name is at the router's name server. */
export const OUTSIDE = "10.99.0.1";

/** Starts it at the router, on all addresses that this has. */
export async function serveNames({ guest }: Lab): Promise<void> {
  const names = await guest.start(
    "names",
    `exec ip netns exec router env BUN_BE_BUN=1 ${PROGRAM} -e '${NAMES}'`,
  );
  await names.said(/serving/);
}
