import { expect } from "bun:test";
import { PROGRAM } from "../ground/daemon.ts";
import { IMAGE, LASTING } from "../ground/dockerd.ts";
import { DRIVER, ROUTER } from "../ground/scene.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

/** A guest whose systemd starts Docker and us by their own units, in their own order. Boots take 30 to 50 s here. */

const scenario = scenariosIn("systemd");
const ADDRESS = "10.77.0.40";

const answers = ({ guest }: Lab) =>
  guest.must(`ip -n router address replace ${ROUTER.v4}/24 dev lan1
    ip netns exec router busybox ping -c1 -W10 ${ADDRESS}`);

scenario(
  "what is installed is started, and a container gets onto the LAN",
  async (lab) => {
    const { guest, services } = lab;
    await guest.must(`${PROGRAM} install`);
    await services.image();
    const ipam = ["--subnet", "10.77.0.0/24", "--gateway", ROUTER.v4];
    await services.docker("network", "create", "-d", DRIVER, "-o", "parent=lan0", ...ipam, "lan");
    const place = ["--restart=always", "--network=lan", `--ip=${ADDRESS}`];
    await services.docker("run", "-d", "--name", "web", ...place, IMAGE, ...LASTING);
    await answers(lab);
  },
  { containers: 1 },
);

scenario("after a power cut all is back without a hand", async (lab) => {
  // dockerd flushes nothing when it starts a container: cut off now, it would only know one that was created.
  await lab.guest.must("sync");
  await lab.guest.cut();
  await lab.guest.boot();
  await answers(lab);
  expect(await lab.guest.must("systemctl is-active underlay docker")).toBe("active\nactive");
});
