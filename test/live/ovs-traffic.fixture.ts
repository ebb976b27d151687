/**
 * Packets between two namespaces: `serve` answers on TCP and UDP until its stdin ends, `ask ADDRESS` prints how many bytes of
 * each came back. A stream of 2 MB, so that segmentation and checksums are the sender's to finish.
 */

const PORT = 7000;
const STREAM = 2_000_000;
const DATAGRAM = 1200;
const PATIENCE = 4_000;

const [what, address = ""] = Bun.argv.slice(2);

async function serve(): Promise<void> {
  using tcp = Bun.listen<{ bytes: number }>({
    hostname: "0.0.0.0",
    port: PORT,
    socket: {
      open: (socket) => {
        socket.data = { bytes: 0 };
      },
      data: (socket, bytes) => {
        socket.data.bytes += bytes.length;
        if (socket.data.bytes >= STREAM) socket.end(`${socket.data.bytes}`);
      },
    },
  });
  const udp = await Bun.udpSocket({
    hostname: "0.0.0.0",
    port: PORT,
    socket: { data: (socket, bytes, port, from) => void socket.send(bytes, port, from) },
  });
  process.stdout.write(`ready ${tcp.port}\n`);
  for await (const _ of Bun.stdin.stream());
  udp.close();
}

async function askTcp(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let left = new Uint8Array(STREAM);
  const push = (socket: Bun.Socket) => {
    const sent = socket.write(left);
    left = left.subarray(Math.max(0, sent));
  };
  await Bun.connect({
    hostname: address,
    port: PORT,
    socket: {
      open: push,
      drain: (socket) => {
        if (left.length > 0) push(socket);
      },
      data: (_, bytes) => resolve(bytes.toString()),
      connectError: (_, error) => resolve(error.message),
    },
  });
  return promise;
}

async function askUdp(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const udp = await Bun.udpSocket({ socket: { data: (_, bytes) => resolve(`${bytes.length}`) } });
  udp.send(new Uint8Array(DATAGRAM), PORT, address);
  const answer = await promise;
  udp.close();
  return answer;
}

if (what === "serve") await serve();
else {
  setTimeout(() => process.exit(1), PATIENCE);
  process.stdout.write(`tcp ${await askTcp()} udp ${await askUdp()}\n`);
  process.exit(0);
}

export {};
