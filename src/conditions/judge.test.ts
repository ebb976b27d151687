import { describe, expect, test } from "bun:test";
import { findings, refusals } from "./judge.ts";
import { child, cidr, endpoint, judged, link, parent, refused, subnet } from "./judged.fixture.ts";

const wifi = judged({
  parent: parent({ link: link({ wireless: { type: "station", fourAddress: false } }) }),
});
const bridgePort = judged({
  parent: parent({
    link: link({ master: { ifindex: 9, name: "br0", kind: "bridge" } }),
    trial: { outcome: "failed", errno: "EBUSY", text: "Device or resource busy" },
  }),
});

describe("a create is refused", () => {
  test("with all reasons at once", () => {
    const error = refusals({ ...bridgePort, mtu: 9000 }, []);
    expect(error?.code).toBe("refused");
    expect(error?.problems.map((problem) => problem.subject)).toEqual(["UL-P12", "UL-P06"]);
    expect(error?.inputs).toEqual({ network: "lan", parent: "eth0" });
  });

  test("in one line that says what, why and what to do, never a bare errno", () => {
    expect(refusals(bridgePort, [])?.message).toBe(
      "UL-P06 eth0 cannot carry macvlan: it is a port of bridge br0 " +
        "(RTM_GETLINK IFLA_MASTER of eth0: br0 (kind bridge); " +
        "RTM_NEWLINK on eth0: EBUSY: Device or resource busy); to mend it: " +
        "use the bridge as parent: docker network create -d underlay-macvlan --subnet 192.168.1.0/24 " +
        "--gateway 192.168.1.1 -o parent=br0 NAME; " +
        "or take the link out of br0: ip link set dev eth0 nomaster",
    );
  });

  test("although it is allowed, when it is certain", () => {
    const message = refusals(bridgePort, ["UL-P06"])?.message;
    expect(message).toEndWith("; allow=UL-P06 does not help, because this is certain");
  });
});

describe("a create is not refused", () => {
  test("when nothing is wrong", () => {
    expect(refusals(judged(), [])).toBeUndefined();
  });

  test("by warnings", () => {
    const vepa = judged({ mode: "vepa", parent: parent({ link: link({ up: false }) }) });
    expect(findings(vepa).map((finding) => finding.id)).toEqual(["UL-P02", "UL-P17"]);
    expect(refusals(vepa, [])).toBeUndefined();
  });

  test("when what is only likely is allowed; then it is a warning", () => {
    expect(refusals(wifi, [])?.code).toBe("refused");
    expect(refusals(wifi, ["UL-P05"])).toBeUndefined();
    expect(findings(wifi, ["UL-P05"]).map(({ id, severity }) => [id, severity])).toEqual([
      ["UL-P05", "warn"],
    ]);
  });

  test("for ipvlan on Wi-Fi, which is only warned of", () => {
    const ipvlan = { ...wifi, kind: "ipvlan", mode: "l2" };
    expect(refusals(ipvlan, [])).toBeUndefined();
    expect(findings(ipvlan)[0]?.severity).toBe("warn");
  });
});

describe("ids to allow that do not exist", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["UL-P99", "allow: no condition UL-P99, did you mean UL-P19?"],
    ["P05", "allow: no condition P05, did you mean UL-P05?"],
    ["ul-p05", "allow: no condition ul-p05, did you mean UL-P05?"],
    ["everything", "allow: no condition everything"],
    ["UL-P02", "allow: UL-P02 refuses nothing, leave it out"],
    ["a\nb", 'allow: no condition "a\\nb"'],
  ];
  test.each(cases)("%p", (id, message) => {
    const error = refusals(judged(), [id]);
    expect(error?.code).toBe("invalid_option");
    expect(error?.problems).toEqual([{ subject: "allow", message }]);
  });

  test("stand beside what refuses", () => {
    const error = refusals(bridgePort, ["UL-P5"]);
    expect(error?.code).toBe("refused");
    expect(error?.problems.map((problem) => problem.subject)).toEqual(["UL-P06", "allow"]);
  });
});

describe("a NIC on the bridge of a switch", () => {
  const uplink = (change: Parameters<typeof link>[0]) =>
    findings(judged({ kind: "uplink", parent: parent({ link: link(change) }) }));

  test("is no parent: that it belongs to the switch, and what hangs on it, is not asked", () => {
    const master = { ifindex: 9, name: "ovs-system", kind: "openvswitch" };
    expect(uplink({ master })).toEqual([]);
  });

  test("has frames of foreign MAC addresses to pass, and signal", () => {
    const [wireless] = uplink({ wireless: { type: "station", fourAddress: false } });
    expect([wireless?.id, wireless?.fix.flatMap(({ run }) => run ?? [])]).toEqual([
      "UL-P05",
      ["ip link show"],
    ]);
    expect(uplink({ bond: { name: "bond0", mode: "balance-alb" } }).map(({ id }) => id)).toEqual(["UL-P10"]);
    expect(uplink({ carrier: false }).map(({ id }) => id)).toEqual(["UL-P03"]);
    expect(uplink({ up: false })[0]?.fix[0]?.say).toBe(
      "the daemon brings up those that it put on a bridge; or now",
    );
  });
});

describe("one cause gives one finding", () => {
  test("a trial that failed is not told again beside its reason", () => {
    expect(findings(bridgePort).map((finding) => finding.id)).toEqual(["UL-P06"]);
  });

  test("nor beside an MTU that does not fit", () => {
    const trial = { outcome: "failed", errno: "EINVAL", text: "Invalid argument" } as const;
    const small = judged({ mtu: 9000, parent: parent({ trial }) });
    expect(findings(small).map((finding) => finding.id)).toEqual(["UL-P12"]);
  });

  test("a warning explains no refusal: a renamed parent that something unseen holds", () => {
    const trial = { outcome: "failed", errno: "EBUSY", text: "Device or resource busy" } as const;
    const renamed = judged({ parent: parent({ asked: "lan0", link: link({ name: "wan0" }), trial }) });
    expect(findings(renamed).map(({ id, severity }) => [id, severity])).toEqual([
      ["UL-K10", "fail"],
      ["UL-P01", "warn"],
    ]);
  });

  test("a pool of Docker's is not also a pool off the LAN", () => {
    expect(findings(judged({ subnets: [subnet("172.18.0.0/16")] })).map((finding) => finding.id)).toEqual([
      "UL-I16",
    ]);
  });

  test("loopback that is down is only loopback", () => {
    const lo = link({ name: "lo", loopback: true, hardwareType: 772, up: false });
    expect(
      findings(judged({ parent: parent({ asked: "lo", link: lo }) })).map((finding) => finding.id),
    ).toEqual(["UL-P04"]);
  });
});

test("a second container on a passthru network is told that it holds one", () => {
  const first = child({ mode: "passthru", ours: true, name: "ul-a" });
  const request = judged({
    mode: "passthru",
    parent: parent({ children: [first], trial: refused("EINVAL") }),
  });
  const [finding] = findings(request);
  expect(finding?.id).toBe("UL-P08");
  expect(finding?.fix.map(({ say }) => say)).toEqual([
    "a passthru network carries one container at a time: stop the other",
    "or make it a network in bridge mode",
    "networks of this host and their parents",
  ]);
});

test("the worst comes first", () => {
  const request = judged({
    mode: "vepa",
    parent: parent({
      children: [child({ mode: "passthru" })],
      link: link({ up: false }),
      trial: refused("EINVAL"),
    }),
    endpoints: [endpoint({ publishesInVain: ["80:80/tcp"] })],
  });
  expect(findings(request).map(({ id, severity }) => [id, severity])).toEqual([
    ["UL-P08", "fail"],
    ["UL-P02", "warn"],
    ["UL-P17", "warn"],
    ["UL-R04", "info"],
  ]);
});

test("a network of thousands of containers does not stop the daemon", () => {
  const endpoints = Array.from({ length: 10_000 }, () => endpoint({ publishesInVain: ["80:80/tcp"] }));
  const before = process.cpuUsage();
  expect(findings(judged({ endpoints }))).toHaveLength(10_000);
  // Some 0.1 s of processor time; comparing each finding with each other takes 8 s.
  expect(process.cpuUsage(before).user / 1e6).toBeLessThan(2);
});

test("a second NIC in the host's LAN, without an address, is told and is no warning", () => {
  const pool = "192.168.1.0/24";
  const routed = (change: Parameters<typeof link>[0], destination: string) =>
    findings(
      judged({
        subnets: [subnet(pool)],
        parent: parent({
          link: link(change),
          routers: [],
          routesElsewhere: [{ destination: cidr(destination), link: "br0" }],
        }),
      }),
    ).map(({ id, severity }) => [id, severity]);
  expect(routed({ addresses: [] }, pool)).toEqual([["UL-I05", "info"]]);
  expect(routed({ addresses: [] }, "192.168.1.0/25")).toEqual([["UL-I05", "warn"]]);
});
