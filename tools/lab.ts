import { AGES } from "../test/ground/engines.ts";
import { makeGuest } from "../test/lab/guest.ts";
import { servicesOf } from "../test/lab/services.ts";

// `tools/lab.ts run SCRIPT [oldest|newest]`: runs a shell script in a guest; with an age named, beside a dockerd of that
// age, our daemon and an image. Prints what the script prints, then its exit code and times; exits with that code.
// After a failure the guest's log follows.
const say = (text: string) => process.stderr.write(text);
const [verb, script, wanted, ...more] = process.argv.slice(2);
const age = wanted === undefined ? "oldest" : AGES.find((each) => each === wanted);
if (verb !== "run" || script === undefined || age === undefined || more.length > 0) {
  say("usage: tools/lab.ts run SCRIPT [oldest|newest]\n");
  process.exit(2);
}

const text = await Bun.file(script).text();
const guest = await makeGuest(age);
const end = async (code: number) => {
  await guest[Symbol.asyncDispose]();
  process.exit(code);
};
process.once("SIGINT", () => end(130));
process.once("SIGTERM", () => end(143));
try {
  const bootMs = await guest.boot();
  if (wanted !== undefined) {
    const services = servicesOf(guest);
    await services.underlay();
    await services.dockerd();
    await services.image();
  }
  const { code, stdout, stderr, ms } = await guest.run(text, { timeoutMs: 10 * 60_000 });
  process.stdout.write(stdout);
  say(stderr);
  if (code !== 0) log();
  say(`exit ${code}, ${(ms / 1000).toFixed(1)} s (boot ${(bootMs / 1000).toFixed(1)} s)\n`);
  await end(code);
} catch (error) {
  log();
  say(`${error instanceof Error ? error.message : String(error)}\n`);
  await end(1);
}

function log(): void {
  say(
    guest
      .log()
      .map((line) => `guest: ${line}\n`)
      .join(""),
  );
}
