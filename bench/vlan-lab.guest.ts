/**
 * Runs in the guest of `vlan-lab.ts`, beside its dockerd, and prints milliseconds as JSON. Each time has a VLAN of its
 * own, so that each create makes a link, and each first container finds one that has had none.
 */

export interface Measured {
  readonly create: Readonly<Record<string, number[]>>;
  readonly start: Readonly<Record<string, number[]>>;
  /** Of ours: on a VLAN that is there, which is looks, a trial and a record; and when all that was done before. */
  readonly onExisting: number[];
  readonly again: number[];
}

const [creates, starts] = [Number(process.env["CREATES"]), Number(process.env["STARTS"])];
const DRIVERS = ["underlay-macvlan", "macvlan"];
let vid = 100;

async function ask(unix: string, method: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(`http://here${path}`, {
    unix,
    method,
    headers: { "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok || text.includes('"Err":')) throw new Error(`${method} ${path}: ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

const api = (method: string, path: string, body?: object) => ask("/run/docker.sock", method, path, body);
const plugin = (method: string, body: object) =>
  ask("/run/docker/plugins/underlay-macvlan.sock", "POST", `/NetworkDriver.${method}`, body);

async function took(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

function create(Driver: string, Name: string): Promise<unknown> {
  vid++;
  const IPAM = { Config: [{ Subnet: `10.${vid >> 8}.${vid & 255}.0/24` }] };
  return api("POST", "/networks/create", { Name, Driver, Options: { parent: `lan0.${vid}` }, IPAM });
}

const none = () => Object.fromEntries(DRIVERS.map((driver): [string, number[]] => [driver, []]));
const measured: Measured = { create: none(), start: none(), onExisting: [], again: [] };

for (let round = 0; round < creates; round++) {
  for (const driver of round % 2 === 0 ? DRIVERS : DRIVERS.toReversed()) {
    measured.create[driver]?.push(await took(() => create(driver, "one")));
    await api("DELETE", "/networks/one");
  }
}

await create("underlay-macvlan", "one");
for (let round = 0; round < creates; round++) {
  const NetworkID = String(round).padStart(64, "b");
  const IPv4Data = [{ AddressSpace: "LocalDefault", Pool: `10.200.${round}.0/24` }];
  const Options = { "com.docker.network.generic": { parent: `lan0.${vid}` } };
  const body = { NetworkID, Options, IPv4Data, IPv6Data: [] };
  measured.onExisting.push(await took(() => plugin("CreateNetwork", body)));
  measured.again.push(await took(() => plugin("CreateNetwork", body)));
  await plugin("DeleteNetwork", { NetworkID });
}
await api("DELETE", "/networks/one");

for (let round = 0; round < starts; round++) {
  for (const driver of round % 2 === 0 ? DRIVERS : DRIVERS.toReversed()) {
    await create(driver, "one");
    const HostConfig = { NetworkMode: "one" };
    await api("POST", "/containers/create?name=first", {
      Image: process.env["IMAGE"],
      Cmd: ["sleep", "600"],
      HostConfig,
    });
    measured.start[driver]?.push(await took(() => api("POST", "/containers/first/start")));
    await api("DELETE", "/containers/first?force=true");
    await api("DELETE", "/networks/one");
  }
}
process.stdout.write(JSON.stringify(measured));
