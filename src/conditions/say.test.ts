import { expect, test } from "bun:test";
import { findings } from "./judge.ts";
import { cidr, judged, link, missing, parent, subnet } from "./judged.fixture.ts";
import { createCommand } from "./say.ts";

const CREATE = "docker network create -d underlay-macvlan";

test.each([
  [[subnet("10.1.0.0/24", "10.1.0.1")], "--subnet 10.1.0.0/24 --gateway 10.1.0.1"],
  [
    [subnet("10.1.0.0/24", undefined, { "the nas": "10.1.0.2" })],
    "--subnet 10.1.0.0/24 --aux-address 'the nas=10.1.0.2'",
  ],
  [[subnet("10.1.0.0/24"), subnet("fd00::/64")], "--ipv6 --subnet 10.1.0.0/24 --subnet fd00::/64"],
  [[subnet("fd00::/64")], "--ipv4=false --ipv6 --subnet fd00::/64"],
  [[], "--ipam-driver null"],
])("a create is repeated with what was asked for: %#", (subnets, words) => {
  expect(createCommand(judged({ subnets }), {})).toBe(`${CREATE} ${words} -o parent=eth0 NAME`);
});

/** The command that mends the only finding. */
function mendedBy(...[change]: Parameters<typeof judged>): string | undefined {
  const found = findings(judged(change));
  expect(found).toHaveLength(1);
  return found[0]?.fix[0]?.run;
}

test("the parent's own subnets replace those of their family only", () => {
  const off = [subnet("10.1.0.0/24"), subnet("fd00:1::/64", "fd00:1::1")];
  expect(mendedBy({ ipv6: true, subnets: off })).toBe(
    `${CREATE} --ipv6 --subnet 192.168.1.0/24 --gateway 192.168.1.1 --subnet fd00:1::/64 --gateway fd00:1::1 -o parent=eth0 NAME`,
  );
  const dual = parent({ link: link({ addresses: [cidr("192.168.1.5/24"), cidr("fd00:2::5/64")] }) });
  expect(mendedBy({ ipv6: true, subnets: [subnet("fd00:1::/64")], parent: dual })).toBe(
    `${CREATE} --ipv4=false --ipv6 --subnet fd00:2::/64 -o parent=eth0 NAME`,
  );
});

test("a create is told another name, a network that exists how its parent comes back", () => {
  const gone = missing("eth1", ["enp3s0"]);
  const ways = (exists: boolean) => findings(judged({ exists, parent: gone }))[0]?.fix.map(({ run }) => run);
  expect(ways(false)?.[0]).toEndWith("-o parent=enp3s0 NAME");
  expect(ways(true)).toEqual(["ip link property add dev enp3s0 altname eth1", "ip link show"]);
});

test("a pool of Docker's becomes an example where the parent has no address", () => {
  const bare = parent({ link: link({ addresses: [] }), routers: [] });
  expect(mendedBy({ subnets: [subnet("172.18.0.0/16")], parent: bare })).toBe(
    `${CREATE} --subnet 192.168.1.0/24 -o parent=eth0 NAME`,
  );
});
