import { expect } from "bun:test";
import { PARENT_STEPS, USER_STEPS } from "../../src/engine/steps.ts";
import type { CniConf } from "../ground/cni.ts";
import { PROGRAM, STATE_DIR } from "../ground/daemon.ts";
import { DRIVER } from "../ground/scene.ts";
import { createNetwork, deleteNetwork, idOf } from "../live/docker-calls.ts";
import { FOLDER, inGuest, installPlugins, type Said, type Step } from "./cni.ts";
import { IPVLAN, names, say } from "./parents.ts";
import { type Lab, scenariosIn } from "./scenario.ts";
import { quoted } from "./services.ts";

/** VLANs that CNI attachments ask for, beside those of Docker networks: made with the first user, removed with the last. */

const scenario = scenariosIn("newest");

const NET = idOf(1);
const create = createNetwork(NET, { parent: "lan0.50" });
const remove = deleteNetwork(NET);

const confOf = (master: string, more: CniConf = {}): CniConf => ({
  cniVersion: "1.1.0",
  name: "vlans",
  type: "macvlan",
  master,
  ipam: { type: "host-local", subnet: "10.9.0.0/24" },
  ...more,
});
const envOf = (pod: number) => ({
  CNI_CONTAINERID: `c${pod}`,
  CNI_NETNS: `/run/netns/c${pod}`,
  CNI_IFNAME: "eth0",
});
const add = (pod: number, conf: CniConf, env = {}): Step => ({
  verb: "ADD",
  conf,
  env: { ...envOf(pod), ...env },
});
const del = (pod: number, conf: CniConf, env = {}): Step => ({
  verb: "DEL",
  conf,
  env: { ...envOf(pod), ...env },
});
const killed = (step: string) => ({ UNDERLAY_FAULT: `${step}:kill` });
const VLANS: Step = { look: "ip -o link show type vlan | cut -d' ' -f2" };
const PODS = 16;

/** Rows of tables of the database, which the program's own runtime can read. */
const TABLES = `const { Database } = require("bun:sqlite");
  const db = new Database("${STATE_DIR}/underlay.db", { readonly: true });
  const ids = (table) => db.query("SELECT id FROM " + table + " ORDER BY id").all().map(({ id }) => id);
  console.log(JSON.stringify([ids("parents"), ids("attachments")]));`;
const ROWS: Step = { look: `BUN_BE_BUN=1 ${PROGRAM} -e ${quoted(TABLES)}` };
const NOTHING = JSON.stringify([[], []]);

async function succeed({ guest }: Lab, ...steps: readonly Step[]): Promise<Said[]> {
  const [said = []] = await inGuest(guest, [steps]);
  expect(said.map(({ failure, code, stderr }) => failure ?? (code === 0 ? "" : `${code} ${stderr}`))).toEqual(
    steps.map(() => ""),
  );
  return said;
}

async function makePods({ guest }: Lab): Promise<void> {
  await installPlugins(guest);
  await guest.must(`for i in $(seq ${PODS}); do ip netns add c$i; done; mkdir -p /var/lib/cni`);
}

scenario("a VLAN that is there already is used as it is, and no database is opened", async (lab) => {
  await makePods(lab);
  await lab.guest.must("ip link add link lan0 name lan0.40 type vlan id 40; ip link set lan0.40 up");
  const conf = confOf("lan0.40");
  const ls: Step = { look: `ls ${STATE_DIR}` };
  const said = await succeed(lab, add(1, conf), ls, del(1, conf), VLANS);
  expect(said[1]?.text).not.toContain("underlay.db");
  expect(said[3]?.text).toStartWith("lan0.40@lan0");
  await lab.guest.must("ip link del lan0.40");
});

scenario("STATUS is ready when the VLAN could be made, and not when it could not", async (lab) => {
  const [[fine, none] = []] = await inGuest(lab.guest, [
    [
      { verb: "STATUS", conf: confOf("lan0.50") },
      { verb: "STATUS", conf: confOf("lan7.50") },
    ],
  ]);
  expect(fine?.failure).toBeUndefined();
  expect(none?.failure).toMatchObject({ code: 50, message: "no link is called lan7" });
});

scenario("a VLAN of Docker and CNI goes with its last user, whichever that is", async (lab) => {
  const conf = confOf("lan0.50");
  const ipvlan = confOf("lan0.50", { type: "ipvlan" });
  const daemon = await lab.services.underlay();
  await say(lab, DRIVER, create);
  await succeed(lab, add(1, conf));
  await say(lab, DRIVER, remove);
  expect(JSON.parse(await lab.services.cli("gc", "-o", "json")).actions).toEqual([]);
  const [link, , vlans] = await succeed(lab, { look: "ip -n c1 link show eth0" }, del(1, conf), VLANS);
  expect([link?.text, vlans?.text]).toEqual([expect.stringContaining("eth0@"), ""]);

  await succeed(lab, add(2, ipvlan));
  await say(lab, IPVLAN, create);
  await succeed(lab, del(2, ipvlan));
  expect(await names(lab, "vlan")).toEqual(["lan0.50"]);
  await say(lab, IPVLAN, remove);
  expect(await names(lab, "vlan")).toEqual([]);

  await Promise.all([say(lab, DRIVER, create), succeed(lab, add(1, conf))]);
  expect(await names(lab, "vlan")).toEqual(["lan0.50"]);
  await Promise.all([say(lab, DRIVER, remove), succeed(lab, del(1, conf))]);
  expect(await names(lab, "vlan")).toEqual([]);
  daemon.signal("SIGTERM");
  await daemon.ended;
  expect((await succeed(lab, ROWS))[0]?.text).toBe(NOTHING);
});

scenario(
  "ADDs that come together on a new VLAN make it once; a GC takes it with them",
  async (lab) => {
    const conf = confOf("lan0.60.61");
    const each = Object.entries({ ...envOf(1), CNI_COMMAND: "ADD", CNI_PATH: FOLDER })
      .map(([name, value]) => `${name}=${value.replace("c1", "c$i")}`)
      .join(" ");
    const together = `for i in $(seq ${PODS}); do
      env ${each} ${FOLDER}/macvlan <<<${quoted(JSON.stringify(conf))} >/tmp/added.$i 2>&1 &
    done; wait; grep -h msg /tmp/added.* || cat /tmp/added.* | grep -o 10.9.0.*/24 | sort -u | wc -l`;
    const others = Array.from({ length: PODS - 1 }, (_, i) => ({ containerID: `c${i + 2}`, ifname: "eth0" }));
    const gc = (valid: readonly object[]): Step => ({
      verb: "GC",
      conf: { ...conf, "cni.dev/valid-attachments": valid },
    });
    const [added, made, rows, , stayed, , gone, left] = await succeed(
      lab,
      { look: together },
      VLANS,
      ROWS,
      gc(others),
      VLANS,
      gc([]),
      VLANS,
      ROWS,
    );
    expect(added?.text).toBe(`${PODS}`);
    for (const vlans of [made, stayed]) expect(vlans?.text.split("\n")).toHaveLength(2);
    expect(JSON.parse(rows?.text ?? "")).toMatchObject([["lan0.60", "lan0.60.61"], { length: PODS }]);
    expect([gone?.text, left?.text]).toEqual(["", NOTHING]);
  },
  { timeoutMs: 300_000 },
);

scenario(
  "killed at each step, the next call goes on from there; a GC and a DEL leave nothing",
  async (lab) => {
    const conf = confOf("lan0.70");
    const adding = (step: string): [string, Step] => [step, add(1, conf, killed(step))];
    const deleting = (step: string): [string, Step] => [step, del(1, conf, killed(step))];
    const gc: Step = { verb: "GC", conf: { ...conf, "cni.dev/valid-attachments": [] } };
    const walk: readonly (readonly [string, Step])[] = [
      adding("parent.join.before-record"),
      adding("parent.join.after-record"),
      adding("parent.make.before-record"),
      adding("parent.make.after-record"),
      adding("parent.make.after-link"),
      ["a GC", gc],
      ["nothing", VLANS],
      adding("parent.make.after-confirm"),
      ["an ADD", add(1, conf)],
      deleting("parent.leave.before-record"),
      deleting("parent.leave.after-record"),
      deleting("parent.drop.before-link"),
      deleting("parent.drop.after-link"),
      deleting("parent.drop.after-record"),
      ["a DEL", del(1, conf)],
      ["nothing", VLANS],
      ["no record", ROWS],
    ];
    const steps = walk.map(([name]) => name).filter((name) => name.startsWith("parent."));
    expect(steps.toSorted()).toEqual([...PARENT_STEPS, ...USER_STEPS].toSorted());
    const [said = []] = await inGuest(lab.guest, [walk.map(([, step]) => step)]);
    const codes = walk.map(([name]) => [name, steps.includes(name) ? 128 + 9 : 0]);
    expect(walk.map(([name], i) => [name, said[i]?.code])).toEqual(codes);
    const told = walk.flatMap(([name], i) => (name.startsWith("no") ? [said[i]?.text] : []));
    expect(told).toEqual(["", "", NOTHING]);
  },
);

scenario("a DEL needs neither the VLAN nor the database", async (lab) => {
  const conf = confOf("lan0.50");
  const [, , , vanished] = await succeed(
    lab,
    add(1, conf),
    { look: "ip link del lan0.50" },
    del(1, conf),
    ROWS,
    add(1, conf),
  );
  expect(vanished?.text).toBe(NOTHING);
  const damage: Step = {
    look: `mv ${STATE_DIR}/underlay.db /tmp; rm ${STATE_DIR}/underlay.db-*; echo damaged >${STATE_DIR}/underlay.db`,
  };
  const reserved: Step = { look: "ls /var/lib/cni/networks/vlans" };
  const said = await succeed(lab, damage, del(1, conf), { look: "ip -n c1 -br link" }, reserved, VLANS);
  expect(said[1]?.stderr).toContain("lan0.50 may stay, for it is not known who uses it: state database:");
  expect(said[2]?.text).not.toContain("eth0");
  expect(said[3]?.text).not.toMatch(/^10\.9/m);
  expect(said[4]?.text).toStartWith("lan0.50@lan0");
  await lab.guest.must(`rm ${STATE_DIR}/underlay.db*; ip link del lan0.50`);
});

scenario("vlan_protocol is that of the outer VLAN, which has to be one", async (lab) => {
  const asked = { vlan_protocol: "802.1ad" };
  const conf = confOf("lan0.80.81", asked);
  const protocols: Step = { look: "ip -d -o link show type vlan | grep -o 'protocol [^ ]* id [0-9]*'" };
  const [, told, , vlans] = await succeed(lab, add(1, conf), protocols, del(1, conf), VLANS);
  expect([told?.text, vlans?.text]).toEqual(["protocol 802.1ad id 80\nprotocol 802.1Q id 81", ""]);
  const [[refused] = []] = await inGuest(lab.guest, [[add(1, confOf("lan0", asked))]]);
  expect(refused?.failure).toMatchObject({ code: 7, message: expect.stringContaining("names no VLAN") });
});

scenario("after a power cut the next ADD makes the VLAN again", async (lab) => {
  const conf = confOf("lan0.50");
  await succeed(lab, add(1, conf), { look: "sync" });
  await lab.guest.cut();
  await lab.guest.boot();
  await makePods(lab);
  const [, made, , gone] = await succeed(lab, add(2, conf), VLANS, del(2, conf), VLANS);
  expect([made?.text.replace(/@.*/, ""), gone?.text]).toEqual(["lan0.50", ""]);
  const daemon = await lab.services.underlay();
  daemon.signal("SIGTERM");
  await daemon.ended;
  expect(JSON.parse((await succeed(lab, ROWS))[0]?.text ?? "")[0]).toEqual([]);
});
