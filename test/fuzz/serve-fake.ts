import { fakeEngine } from "../../src/docker/engine.fixture.ts";
import { dockerHandler } from "../../src/docker/handler.ts";
import { serveDriver } from "../../src/docker/server.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";

// The adapter and its socket, on an engine without a kernel, in a process of its own: serve-fake.ts SOCKET
const path = process.argv[2] ?? "";
const handler = dockerHandler({ engine: fakeEngine(), kind: "macvlan", log: silentLog, clock: systemClock });
const server = await serveDriver({ path, handler });
process.stdout.write("ready\n");
process.once("SIGTERM", () => void server.stop());
