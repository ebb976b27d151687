import { expect } from "bun:test";
import { IMAGE, LASTING } from "../ground/dockerd.ts";
import type { Age } from "../ground/engines.ts";
import { DRIVER, ROUTER } from "../ground/scene.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

const FIRST = "10.77.0.2";

/** What each dockerd has to do in a guest: run a container on a network of ours, and have it again after a boot. */
export function dockerdScenarios(age: Age): void {
  const scenario = scenariosIn(age);

  const pings = ({ guest }: Lab) =>
    guest.must(`ip -n router address replace ${ROUTER.v4}/24 dev lan1
      ip netns exec router busybox ping -c1 -W5 ${FIRST}`);
  const start = async ({ services }: Lab) => {
    await services.underlay();
    await services.dockerd();
  };

  scenario(
    "a container on a macvlan network is reached by the LAN's router",
    async (lab) => {
      const { services } = lab;
      await start(lab);
      await services.image();
      const ipam = ["--subnet", "10.77.0.0/24", "--gateway", ROUTER.v4];
      await services.docker("network", "create", "-d", DRIVER, "-o", "parent=lan0", ...ipam, "lan");
      await services.docker(
        "run",
        "-d",
        "--name",
        "web",
        "--restart=always",
        "--network=lan",
        IMAGE,
        ...LASTING,
      );
      await pings(lab);
    },
    { containers: 1 },
  );

  scenario("a reboot brings network and container back", async (lab) => {
    await lab.guest.reboot();
    await start(lab);
    await pings(lab);
    expect(await lab.services.docker("network", "ls", "--format", "{{.Name}} {{.Driver}}")).toContain(
      `lan ${DRIVER}`,
    );
  });

  scenario("so does a power cut", async (lab) => {
    // What dockerd knows of a container is not flushed; it is in the disk's cache for up to 5 s.
    await lab.guest.must("sync");
    await lab.guest.cut();
    await lab.guest.boot();
    await start(lab);
    await pings(lab);
  });
}
