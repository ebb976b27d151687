/**
 * A client of its own that asks what needs no write to the kernel, every five milliseconds, whether or not it has been
 * answered: `bun bench/waiter.ts SOCKET BODY`. A pause of the daemon is so told by all that wait in it. When its
 * standard input ends it prints how long each answer took, in milliseconds, as JSON.
 */

export {};

const [socket = "", body = ""] = process.argv.slice(2);

async function ask(): Promise<number> {
  const start = performance.now();
  const url = "http://plugin/NetworkDriver.EndpointOperInfo";
  await (await fetch(url, { method: "POST", unix: socket, body })).text();
  return performance.now() - start;
}

// Connections and code are warm when it counts.
for (let i = 0; i < 200; i++) await ask();
const waits: Promise<number>[] = [];
const timer = setInterval(() => waits.push(ask()), 5);
process.stdout.write("asking\n");
await Bun.stdin.text();
clearInterval(timer);
process.stdout.write(JSON.stringify(await Promise.all(waits)));
