import { describe, expect } from "bun:test";
import { AGES } from "../ground/engines.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

/** Networks of Docker's own drivers that take a kernel with ipvlan, 802.1Q and dummy, moved to ours. */

interface Old {
  readonly name: string;
  readonly driver: "macvlan" | "ipvlan";
  readonly args: readonly string[];
}

const subnet = (number: number) => ["--subnet", `10.${number}.0.0/24`, "--gateway", `10.${number}.0.1`];

const OLD: readonly Old[] = [
  { name: "flat", driver: "ipvlan", args: ["-o", "parent=lan0", ...subnet(80)] },
  { name: "trunk", driver: "macvlan", args: ["-o", "parent=lan0.50", ...subnet(81)] },
  { name: "routed", driver: "ipvlan", args: ["-o", "parent=lan0.60", "-o", "ipvlan_mode=l3", ...subnet(82)] },
  { name: "alone", driver: "macvlan", args: subnet(83) },
  {
    name: "both",
    driver: "ipvlan",
    args: ["--internal", "--ipv6", "--subnet", "fd84::/64", ...subnet(84), ...subnet(85)],
  },
];

type Inspected = Record<string, unknown> & { Name: string };

async function inspected({ services }: Lab): Promise<Inspected[]> {
  return JSON.parse(await services.docker("network", "inspect", ...OLD.map(({ name }) => name)));
}

const same = ({ Id: _id, Created: _created, Driver: _driver, ...rest }: Inspected) => rest;

async function linksOf({ guest }: Lab, kind: string): Promise<string[]> {
  const links: { ifname: string }[] = JSON.parse(await guest.must(`ip -j link show type ${kind}`));
  return links.map(({ ifname }) => ifname).sort();
}

describe.each([...AGES])("the %s dockerd", (age) => {
  const scenario = scenariosIn(age);

  scenario("what Docker's drivers made is moved: VLANs, ipvlan, networks without a parent", async (lab) => {
    const { services } = lab;
    await services.underlay();
    await services.dockerd();
    for (const { name, driver, args } of OLD)
      await services.docker("network", "create", "-d", driver, ...args, name);
    expect(await linksOf(lab, "vlan")).toEqual(["lan0.50", "lan0.60"]);
    const was = await inspected(lab);

    const plan = JSON.parse(await services.cli("migrate", "docker", "-o", "json"));
    expect(plan.networks.map(({ reasons }: { reasons: string[] }) => reasons)).toEqual(OLD.map(() => []));
    await services.cli("migrate", "docker", "--apply");

    const is = await inspected(lab);
    expect(is.map(same)).toEqual(was.map(same));
    expect(is.map(({ Driver }) => Driver)).toEqual(OLD.map(({ driver }) => `underlay-${driver}`));
    expect(await linksOf(lab, "vlan")).toEqual(["lan0.50", "lan0.60"]);
    expect(await services.cli("migrate", "docker", "--apply")).toContain("nothing to move");
  });

  scenario("their links are ours now: they go with their networks", async (lab) => {
    await lab.services.docker("network", "rm", ...OLD.map(({ name }) => name));
    expect(await linksOf(lab, "vlan")).toEqual([]);
    // The module's own, which it makes when it is loaded.
    expect(await linksOf(lab, "dummy")).toEqual(["dummy0"]);
  });

  scenario("a VLAN link of Docker's stays when ours would not take its network", async (lab) => {
    const { guest, services } = lab;
    const args = ["-o", "parent=lan0.70", "-o", "com.docker.network.driver.mtu=9000", ...subnet(86)];
    await services.docker("network", "create", "-d", "macvlan", ...args, "tall");
    const told = await guest.run("/opt/underlay/underlay migrate docker --apply tall");
    expect([told.code, told.stdout]).toEqual([5, expect.stringContaining("UL-P12")]);
    expect(await linksOf(lab, "vlan")).toEqual(["lan0.70"]);
    expect(await services.docker("network", "inspect", "-f", "{{.Driver}}", "tall")).toContain("macvlan");
  });
});
