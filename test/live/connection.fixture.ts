/**
 * One TCP connection that is never made again: `serve` sends back what comes, `talk ADDRESS` sends each line of its stdin and
 * prints what came back. It ends when the connection does.
 */

const PORT = 7001;
const [what, address = ""] = Bun.argv.slice(2);

if (what === "serve") {
  Bun.listen({ hostname: "::", port: PORT, socket: { data: (socket, bytes) => void socket.write(bytes) } });
  process.stdout.write("ready\n");
  for await (const _ of Bun.stdin.stream());
} else {
  const socket = await Bun.connect({
    hostname: address,
    port: PORT,
    socket: {
      data: (_, bytes) => void process.stdout.write(bytes),
      close: () => process.exit(1),
      error: () => process.exit(1),
    },
  });
  process.stdout.write("ready\n");
  for await (const line of console) socket.write(`${line}\n`);
}
process.exit(0);

export {};
