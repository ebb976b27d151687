// A name server for tests: answers every A query with the address given. Arguments: LISTEN ANSWER.
// RFC 1035 section 4.1: the question is echoed, the answer points back to it (0xc00c).
export {};

const [hostname = "", answer = ""] = process.argv.slice(2);

await Bun.udpSocket({
  hostname,
  port: 53,
  socket: {
    data(socket, query, port, address) {
      const end = query.indexOf(0, 12) + 5;
      const isA = query.readUInt16BE(end - 4) === 1;
      const header = Buffer.from(query.subarray(0, 12));
      header.writeUInt16BE(0x8580, 2);
      header.writeUInt16BE(isA ? 1 : 0, 6);
      header.fill(0, 8);
      const record = [0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...answer.split(".").map(Number)];
      const reply = Buffer.concat([header, query.subarray(12, end), Buffer.from(isA ? record : [])]);
      socket.send(reply, port, address);
    },
  },
});
process.stdout.write("ready\n");
