import { expect } from "bun:test";
import { PROGRAM } from "../ground/daemon.ts";
import { DRIVER as MACVLAN } from "../ground/scene.ts";
import { until } from "../ground/until.ts";
import { deleteNetwork } from "../live/docker-calls.ts";
import { attach, create, detach, findings, healthy, NETWORKS, pings, say, shown } from "./parents.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

/** A VLAN that is systemd-networkd's: used as it is, and never taken for ours, whoever starts first. Boots take 30 to 50 s here. */

const scenario = scenariosIn("systemd");
const [NET, NET2] = NETWORKS;

/** Files by which networkd makes `lan0.VID` and gives it an address. */
const filesOf = (vid: number) => `
  cd /etc/systemd/network
  printf '[NetDev]\\nName=lan0.${vid}\\nKind=vlan\\n[VLAN]\\nId=${vid}\\n' >20-lan0.${vid}.netdev
  printf '[Match]\\nName=lan0.${vid}\\n[Network]\\nLinkLocalAddressing=no\\nAddress=10.60.${vid}.2/16\\n' >20-lan0.${vid}.network`;

const untilNetworkdHas = (lab: Lab, vid: number) =>
  until(
    `networkd has lan0.${vid}`,
    async () =>
      (await lab.guest.must(`ip -br address show lan0.${vid}; networkctl list lan0.${vid}`)).match(
        new RegExp(`10\\.60\\.${vid}\\.2/16[^]*configured`),
      ) !== null,
    { withinMs: 60_000, everyMs: 500 },
  );

async function expectReachable(lab: Lab): Promise<void> {
  await lab.guest.must(`
    ip -n router link add link lan1 name peer type vlan id 50
    ip -n router address add 10.60.0.1/16 dev peer
    ip -n router link set peer up`);
  await attach(lab, MACVLAN, NET, 9);
  await until("it is heard", () => pings(lab, 9, "10.60.0.1"));
  await detach(lab, MACVLAN, NET, 9);
  await lab.guest.must("ip -n router link del peer");
}

scenario("networkd's VLAN is used, and outlives the network", async (lab) => {
  await lab.guest.must(`${filesOf(50)}
    printf '[Match]\\nName=lan0\\n[Network]\\nLinkLocalAddressing=no\\nVLAN=lan0.50\\n' >20-lan0.network
    systemctl mask systemd-networkd-wait-online docker.service docker.socket
    systemctl enable --now systemd-networkd`);
  await untilNetworkdHas(lab, 50);
  await lab.guest.must(`${PROGRAM} install`);
  await say(lab, MACVLAN, create(NET, { parent: "lan0.50" }), deleteNetwork(NET));
  await untilNetworkdHas(lab, 50);
  await say(lab, MACVLAN, create(NET, { parent: "lan0.50" }));
  await expectReachable(lab);
});

scenario(
  "after a boot in which our daemon is first, it waits for networkd's, which stays networkd's",
  async (lab) => {
    await lab.guest.must(`
    mkdir -p /etc/systemd/system/systemd-networkd.service.d
    printf '[Unit]\\nAfter=underlay.service\\n' >/etc/systemd/system/systemd-networkd.service.d/late.conf
    printf '[Service]\\nExecStartPre=sleep 3\\n' >>/etc/systemd/system/systemd-networkd.service.d/late.conf`);
    await lab.guest.reboot();
    await untilNetworkdHas(lab, 50);
    const journal = await lab.guest.must("journalctl --no-pager -o cat -b -u underlay");
    expect(journal).toContain("no link is called lan0.50");
    expect(journal).not.toContain("a parent was made");
    await until("the network is whole", async () => (await healthy(lab)).join() === "true");
    expect(await findings(lab)).toEqual([]);
    await expectReachable(lab);
    await lab.guest.must("systemctl restart underlay");
    expect(await healthy(lab)).toEqual([true]);
    await say(lab, MACVLAN, deleteNetwork(NET));
    await untilNetworkdHas(lab, 50);
  },
  { timeoutMs: 300_000 },
);

scenario(
  "a VLAN of ours that networkd takes over and gives an address stays when its last network goes",
  async (lab) => {
    await say(lab, MACVLAN, create(NET, { parent: "lan0.60" }), create(NET2, { parent: "lan0.61" }));
    await lab.guest.must(`${filesOf(60)}
    printf 'VLAN=lan0.60\\n' >>20-lan0.network
    networkctl reload`);
    await untilNetworkdHas(lab, 60);
    await say(lab, MACVLAN, deleteNetwork(NET), deleteNetwork(NET2));
    expect((await shown(lab, "vlan")).map(({ ifname }) => ifname)).toEqual(["lan0.50", "lan0.60"]);
    const journal = await lab.guest.must("journalctl --no-pager -o cat -u underlay");
    expect(journal).toMatch(/a parent of ours stays, for others use it.*10\.60\.60\.2\/16/);
  },
);
