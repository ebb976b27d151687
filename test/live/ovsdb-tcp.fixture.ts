import type { Problem } from "../../src/lib/errors.ts";
import { openOvsdb } from "../../src/ovsdb/client.ts";
import { select } from "../../src/ovsdb/operation.ts";
import { parseTarget } from "../../src/ovsdb/target.ts";

/**
 * A client in another netns. Arguments: target, milliseconds in which it says nothing. Prints the names of the bridges
 * from before and after, and which methods the server has used meanwhile.
 */
const [, , text = "", silence = "0"] = Bun.argv;
const problems: Problem[] = [];
const target = parseTarget(text, "target", problems);
if (target === undefined) throw new Error(JSON.stringify(problems));
const asked: string[] = [];
using ovsdb = await openOvsdb({
  target,
  trace: (direction, message) => {
    if (direction === "received" && message.includes('"method"')) asked.push(JSON.parse(message).method);
  },
});
const bridges = async () =>
  (await ovsdb.transact([select("Bridge", [], ["name"])]))[0].map(({ name }) => name);
const before = await bridges();
await Bun.sleep(Number(silence));
const isUp = ovsdb.state.isUp;
process.stdout.write(JSON.stringify({ before, asked, isUp, after: isUp ? await bridges() : [] }));
