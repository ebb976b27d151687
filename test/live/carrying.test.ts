import { afterEach, beforeEach, expect, test } from "bun:test";
import { findings } from "../../src/conditions/judge.ts";
import { parseCidr } from "../../src/lib/ip.ts";
import { bridgeFilters } from "../../src/links/parent/bridge-filter.ts";
import { until } from "../ground/until.ts";
import { addNic, judge, judgedBy, makeLanWithNic } from "./judge.ts";
import type { Lan } from "./lan.ts";

/** Parents that would take a link and lose its frames, on this kernel. */

let lan: Lan;

beforeEach(() => {
  lan = makeLanWithNic();
});

afterEach(() => lan[Symbol.dispose]());

async function firstOf(parent: string): Promise<string> {
  const [first] = (await judge(lan, { parent })).all;
  return first === undefined ? "nothing" : `${first.id} ${first.message}`;
}

test("a cable that is out, and in again", async () => {
  lan.ip("link set sw0 down");
  expect(await firstOf("eth0")).toBe("UL-P03 eth0 has no carrier: cable, switch port or the other end");
  lan.ip("link set sw0 up");
  expect(await firstOf("eth0")).toBe("nothing");
});

test("a bridge, whose frames this host filters, or not", async () => {
  lan.ip("link add br0 type bridge");
  lan.ip("link set br0 up");
  lan.ip("link set sw0 master br0");
  const { facts, all } = await judge(lan, { parent: "br0" });
  expect(facts.link?.filteredBy).toEqual(bridgeFilters());
  expect(all.map(({ id }) => id)).toEqual(bridgeFilters().length > 0 ? ["UL-P15"] : []);
  lan.ip("link set eth0 down");
  // The kernel tells a bridge of its port's carrier a little later.
  const cut = "UL-P03 br0 has no carrier: none of its ports has a link";
  await until("the bridge has no carrier", async () => (await firstOf("br0")) === cut);
});

test("a subnet that another link leads to", async () => {
  addNic(lan, "tun7", "far7");
  lan.ip("route add 10.9.0.0/16 dev tun7");
  const { facts } = await judge(lan, { parent: "eth0" });
  const pool = parseCidr("10.9.8.0/24");
  if (pool === undefined) throw new Error("no prefix");
  const ids = (routesElsewhere = facts.routesElsewhere) =>
    findings(judgedBy({ ...facts, routesElsewhere }, { subnets: [{ pool, aux: {} }] })).map(({ id }) => id);
  expect([ids(), ids([])]).toEqual([["UL-I05"], []]);
});
